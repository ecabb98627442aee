"""How fast the page answers, measured in the browser: `python benchmarks/dashboard_latency.py [CKPT] [--threads 2]`.

Each time goes from the browser's own event (the navigation, a key, a click) to the change of the page that answers it, in
headless Chromium on this machine; the page's pause after typing is included. Medians and largest of some repeats. Promises for
the canonical model on two cores: first view in 1 s, a typed text answered in 150 ms, an ablation seen in 300 ms, the first
character of a generated text in 300 ms. Writes dashboard.json and DASHBOARD.md with --write.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright

from dashboard_server import served

FOLDER = Path(__file__).resolve().parent
SHIPPED = FOLDER.parent / "trained_models" / "shakespeare_char_model"
PROMISES = {"first view": 1000, "typed text": 150, "ablation": 300, "first generated character": 300}
"""Milliseconds."""
FIRST_VIEW = """
new MutationObserver((_, watching) => {
  if (document.querySelector(".characters button")) { window.shownAt = performance.now(); watching.disconnect(); }
}).observe(document, { subtree: true, childList: true });
"""
ANSWERED = """([event, selector]) => {
  const text = () => document.querySelector(selector)?.textContent;
  const before = text();
  window.answered = new Promise((done, failed) => {
    let began;
    setTimeout(() => failed(new Error(`no answer in 20 s: ${selector}`)), 20000);
    addEventListener(event, () => { began ??= performance.now(); }, { capture: true, once: true });
    new MutationObserver((_, watching) => {
      if (began === undefined || text() === before) return;
      watching.disconnect();
      done(performance.now() - began);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}"""


def first_view(browser: Browser, address: str) -> float:
    """From the navigation to the text with its predictions, in a browser that has seen nothing before."""
    page = browser.new_context().new_page()
    page.add_init_script(FIRST_VIEW)
    page.goto(address)
    page.wait_for_selector(".characters button")
    found = float(page.evaluate("window.shownAt"))
    page.context.close()
    return found


def answered(page: Page, event: str, selector: str, act: Callable[[], object]) -> float:
    """From an event to the change of an element's text."""
    page.evaluate(ANSWERED, [event, selector])
    act()
    return float(page.evaluate("window.answered"))


def measured(browser: Browser, address: str, repeats: int) -> dict[str, list[float]]:
    """Every latency, `repeats` times in milliseconds; the first of each warms up and does not count."""
    page = browser.new_page()
    page.goto(f"{address}{'&' if '?' in address else '?'}view=text")
    page.wait_for_selector(".characters button")
    text = page.locator(".typed textarea").first
    text.focus()
    page.keyboard.press("Control+End")
    written = page.get_by_role("button", name="Write on")
    found: dict[str, list[float]] = {"first view": [first_view(browser, address) for _ in range(repeats + 1)]}
    typed = [answered(page, "input", ".typed + .hint", lambda: page.keyboard.type("a")) for _ in range(repeats + 1)]
    switch = (
        page.locator(".ablations tr").first.locator(".switch").last
    )  # the first MLP: off and on, the loss changes much
    ablated = [answered(page, "click", "[data-value=change]", switch.click) for _ in range(repeats + 1)]
    generated = [_generated(page, written) for _ in range(repeats + 1)]
    found |= {"typed text": typed, "ablation": ablated, "first generated character": generated}
    return {name: values[1:] for name, values in found.items()}


def _generated(page: Page, written: Any) -> float:
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(200)
    page.evaluate("document.querySelector('.sample').lastChild.textContent = ''")
    return answered(page, "click", ".sample", written.click)


def table(found: dict[str, list[float]]) -> str:
    """The latencies as Markdown."""
    rows = ["| what | median | largest | promise |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {name} | {median(values):.0f} ms | {max(values):.0f} ms | {PROMISES[name]} ms |"
        for name, values in found.items()
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no chromium here; install it to measure the page in a browser")
    with served(asked.checkpoint, asked.threads) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = measured(browser, server.address, asked.repeats)
        browser.close()
    where = (
        f"{platform.platform()}, {asked.threads or 'all'} threads, torch {torch.__version__}, {asked.checkpoint.name}"
    )
    print(f"{where}\n\n{table(found)}")
    if asked.write:
        (FOLDER / "dashboard.json").write_text(json.dumps({"where": where, "milliseconds": found}, indent=1) + "\n")
        title = (
            "# The dashboard's latencies\n\nRendered from dashboard.json by dashboard_latency.py: in headless Chromium."
        )
        (FOLDER / "DASHBOARD.md").write_text(f"{title}\n\n{where}\n\n{table(found)}")


if __name__ == "__main__":
    main()
