"""The live views in headless Chromium: what the page shows are the library's own numbers, for a really trained small model."""

import csv
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from watched import OPENING, TEXT, Watched, downloaded

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.guard import KEY
from nanoscope.interventions.edits import zero
from nanoscope.interventions.run import run
from nanoscope.model.names import component
from nanoscope.views import heads, live

pytest_plugins = ["browser"]
pytestmark = pytest.mark.slow
AT = f"?text={quote(TEXT)}"


@pytest.fixture(scope="module")
def small(training: Path) -> Checkpoint:
    return load(training / "final")


def losses(small: Checkpoint, *off: str) -> float:
    log_probs = run(small, TEXT, [zero(component(name)) for name in off]).logits[0].log_softmax(-1)
    return float(-log_probs[:-1].gather(1, small.encode(TEXT)[1:, None]).mean())


def shares(texts: list[str]) -> list[float]:
    """Shares as the page writes them: `12 %` and `1.2 %`."""
    return [float(one.removesuffix(" %")) / 100 for one in texts]


def test_text_shows_the_models_predictions(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=text&position=5")
    expected = live.predictions(small, TEXT)
    assert [one.strip() for one in page.locator(".likely code").all_inner_texts()] == [
        expected.symbols[token].replace("\n", "⏎").replace(" ", "␣") for token in expected.tokens[5]
    ]
    np.testing.assert_allclose(
        shares(page.locator(".likely .number").all_inner_texts()), expected.chance[5], atol=0.0051
    )
    assert page.locator("[data-value=loss]").inner_text() == f"{losses(small):.3f} nats"


def test_an_ablation_shows_the_loss_of_the_edited_run(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=text")
    for name in ("L0H1", "L1.mlp"):
        page.get_by_role("button", name=name, exact=True).click()
    without, intact = losses(small, "L0H1", "L1.mlp"), losses(small)
    page.wait_for_function(
        "n => document.querySelector('[data-value=loss]').innerText === n", arg=f"{without:.3f} nats"
    )
    change = page.locator("[data-value=change]").inner_text()
    assert float(change.removesuffix(" nats").replace("−", "-")) == pytest.approx(without - intact, abs=0.002)


def test_attention_shows_where_the_head_looks(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=attention&layer=1&head=0&position=10")
    weights = heads.attention(small, TEXT).values[1, 0, 10]
    said = page.locator(".looks .fact").first.inner_text()
    found = {int(at): float(share) / 100 for at, share in re.findall(r"at (\d+) \(([\d.]+) %\)", said)}
    assert list(found) == sorted(range(11), key=lambda key: -round(weights[key] * 255))[:3]
    np.testing.assert_allclose(list(found.values()), weights[list(found)], atol=0.0075)


def test_the_lens_shows_every_layers_prediction(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=lens")
    expected = live.lens(small, TEXT)
    cells = page.locator(".grid [role=gridcell]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert len(cells) == 3 * len(TEXT)
    for label, token, chance in zip(cells, expected.tokens[:, :, 0].flat, expected.chance[:, :, 0].flat, strict=True):
        symbol, share = label.split(": ", 1)[1].rsplit(" ", 2)[0], label.rsplit(" ", 2)[1]
        assert symbol == expected.symbols[token].replace("\n", "⏎").replace(" ", "␣")
        assert float(share) / 100 == pytest.approx(chance, abs=0.0051)


def test_the_layers_keep_their_names_in_sight_of_a_text_that_is_scrolled(shown: Watched) -> None:
    shown.page.set_viewport_size({"width": 360, "height": 900})
    page = shown.open(f"{AT}&view=lens")
    boxes = page.evaluate("""() => {
        const box = document.querySelector('.panel[aria-label=Lens] .scroll');
        const [names, cell] = ['.staying text', '[role=gridcell]'].map((one) => box.querySelector(one));
        const left = (one) => one.getBoundingClientRect().left;
        box.scrollLeft = 0;
        const before = [left(names), left(cell)];
        box.scrollLeft = 60;
        return [before, [left(names), left(cell)]];
    }""")
    (names, cell), (names_after, cell_after) = boxes
    assert cell_after == cell - 60
    assert names_after == names


def test_back_returns_to_the_view_before_and_a_link_restores_everything(shown: Watched) -> None:
    page = shown.open(f"{AT}&view=text")
    page.get_by_role("tab", name="Attention").click()
    page.get_by_role("gridcell", name="layer 1 head 1").click()
    page.wait_for_function("() => location.search.includes('head=1')")
    link = page.url
    page.get_by_role("tab", name="Lens").click()
    page.go_back()
    page.wait_for_selector(".panel[aria-label=Attention]")
    page.go_back()
    page.wait_for_selector(".panel[aria-label=Text]")
    page.goto(link)
    shown.settled()
    assert page.get_by_role("tab", name="Attention").get_attribute("aria-selected") == "true"
    assert page.locator(".one h3").inner_text() == "L1H1"
    assert page.locator("textarea").input_value() == TEXT


def test_the_key_leaves_the_address_and_a_copied_link_opens_in_the_same_browser(shown: Watched, chromium: Any) -> None:
    page = shown.open(f"{AT}&view=text&{KEY}={OPENING}")
    assert KEY not in page.url
    assert page.locator("textarea").input_value() == TEXT
    assert OPENING not in page.evaluate("document.cookie + JSON.stringify(localStorage)")
    page.get_by_role("tab", name="Lens").click()
    page.wait_for_function("() => location.search.includes('view=lens')")
    assert OPENING not in page.url
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".panel[aria-label=Lens] svg.grid")
    stranger = chromium.new_page()
    stranger.goto(link)
    stranger.wait_for_selector("text=open that address again")
    stranger.close()


def test_a_refused_text_is_said_in_one_line(shown: Watched) -> None:
    page = shown.open(f"{AT}&view=text")
    page.locator("textarea").fill("¿")
    page.wait_for_selector("[role=alert]")
    assert "¿" in (words := page.locator("[role=alert]").first.inner_text())
    assert "\n" not in words
    shown.wrong = [one for one in shown.wrong if "status of 400" not in one]


def test_the_lens_is_exported_as_a_picture_and_as_data(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=lens")
    np.testing.assert_allclose(downloaded(page, "JSON")["chance"], live.lens(small, TEXT).chance, rtol=1e-5)
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV").decode(), newline="")))
    assert [row["token"] for row in rows] == list(TEXT) * 3


@pytest.mark.parametrize(
    ("view", "rects"), [("text", len(TEXT)), ("attention", len(TEXT) ** 2), ("lens", 3 * len(TEXT) + 2)]
)
def test_every_panel_is_exported_as_a_picture(shown: Watched, view: str, rects: int) -> None:
    page = shown.open(f"{AT}&view={view}")
    drawing = downloaded(page, "SVG").decode()
    assert drawing.startswith("<svg xmlns=")
    assert drawing.count("<rect") == rects
    assert not re.search(r"var\(|currentColor|class=", drawing)
    assert downloaded(page, "PNG").startswith(b"\x89PNG")
