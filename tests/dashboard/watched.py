"""A page in headless Chromium with all that goes wrong in it: errors, and requests to anybody but its server."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).parents[2] / "results"
OPENING = "the-key-of-the-printed-address"
TEXT = "ROMEO:\nWhat light through yonder"


@dataclass
class Watched:
    """A page in the browser, with all that went wrong in it."""

    page: Any
    home: str
    wrong: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> Any:
        self.page.goto(f"{self.home}{query}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Every panel has its answer."""
        self.page.wait_for_selector("main .panel")
        self.page.wait_for_function("() => !document.querySelector('main [aria-busy=true]')")

    def note(self, kind: str, words: str) -> None:
        self.wrong.append(f"{kind}: {words}")


def watch(browser: Any, home: str) -> Watched:
    """A new page whose errors, and requests to anybody but its server, are noted."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    watched = Watched(page, home)
    page.on("console", lambda said: watched.note("console", said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: watched.note("page", str(error)))
    own = (home.split("?", maxsplit=1)[0], "data:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(own) else watched.note("request", one.url))
    return watched


def downloaded(page: Any, button: str) -> Any:
    """What a panel's export button saves: parsed for JSON, bytes for anything else."""
    with page.expect_download() as saved:
        page.get_by_role("button", name=button, exact=True).click()
    content = Path(saved.value.path()).read_bytes()
    return json.loads(content) if button == "JSON" else content
