"""Patching, circuits, neurons, reasons and lenses in headless Chromium: the page's values are the library's own."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from watched import TEXT, Watched, downloaded

from nanoscope.analysis.causal import patching
from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.notebook import show
from nanoscope.dashboard.session import Session
from nanoscope.evidence.sweep import Sweep
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task
from nanoscope.views import ablate, circuit, circuit_live, heads, live, neuron_cards, pairs, patch, patch_live, why
from nanoscope.views.circuit_live import Switches

pytest_plugins = ["browser"]
pytestmark = pytest.mark.slow
AT = f"?text={quote(TEXT)}"


@pytest.fixture(scope="module")
def small(training: Path) -> Checkpoint:
    return load(training / "final")


@pytest.fixture(scope="module")
def pair(small: Checkpoint) -> pairs.Pair:
    return pairs.suggested(small, TEXT)


@pytest.fixture(scope="module")
def task(small: Checkpoint, pair: pairs.Pair) -> Task:
    return pairs.task_of(small, (pair.clean, pair.corrupt), (pair.answer, pair.wrong))[0]


def number(text: str) -> float:
    """The first number in the page's writing, with its own minus sign."""
    return float(re.findall(r"[-+]?\d+\.?\d*", text.replace("−", "-"))[0])


def labels(page: Any, grid: str) -> list[str]:
    cells = page.locator(f"svg[aria-label='{grid}'] [role=gridcell]")
    return cells.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")


def swept(page: Any, grid: str) -> list[float]:
    return [number(label.rsplit(": ", 1)[1]) for label in labels(page, grid)]


def says(page: Any, name: str, words: str) -> None:
    """Wait until a value of the page is written so."""
    page.wait_for_function(
        "([name, words]) => document.querySelector(`[data-value='${name}']`)?.innerText === words", arg=[name, words]
    )


def loss(small: Checkpoint, *changed: str, **how: Any) -> float:
    edits = ablate.changes(small, TEXT, changed, **how)
    return float(np.nanmean(live.predictions(small, TEXT, edits).loss))


# ---- patching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sweep", "direction"), [("residual", "denoise"), ("heads", "noise"), ("mlps", "denoise")])
def test_every_patched_cell_is_that_of_the_library(
    shown: Watched, small: Checkpoint, task: Task, sweep: str, direction: Any
) -> None:
    page = shown.open(f"{AT}&view=patching&sweep={sweep}&direction={direction}")
    page.wait_for_function("() => document.querySelector('.heatmap') && !document.querySelector('progress')")
    cells = patch.grid(small.model, task, sweep)
    expected = patching.exact(small.model, task, logit_diff, cells, directions=[direction])
    np.testing.assert_allclose(swept(page, "patching"), expected.change.values.ravel(), atol=0.0051)
    assert number(page.locator("[data-value=clean]").inner_text()) == pytest.approx(expected.clean.mean(), abs=0.0051)


def test_a_chosen_cell_shows_what_it_changes(shown: Watched, small: Checkpoint, task: Task) -> None:
    page = shown.open(f"{AT}&view=patching&sweep=heads")
    page.wait_for_function("() => document.querySelector('.heatmap') && !document.querySelector('progress')")
    cells = patch.grid(small.model, task, "heads")
    names = small.known_vocabulary.names(small.model.config.vocab_size)
    grid = page.locator("svg[aria-label=patching]")
    grid.focus()
    for key in ("ArrowRight", "ArrowDown"):  # from the first cell to the last of two by two
        page.keyboard.press(key)
    found = patch_live.of_cell(small.model, task, cells, 3, "denoise", names)
    page.wait_for_function(
        "n => Math.abs(parseFloat(document.querySelector('[data-value=after]')?.innerText.replace('−', '-')) - n) < 0.0051",
        arg=found.after.logit_difference,
    )
    data = downloaded(page, "JSON")
    assert (data["sweep"], len(data["changes"])) == ("heads", 4)


def test_a_typed_pair_is_compared_and_a_wrong_one_is_said(shown: Watched, small: Checkpoint) -> None:
    corrupt = TEXT.replace("light", "night")
    page = shown.open(f"{AT}&view=patching&sweep=heads&corrupt={quote(corrupt)}&answer=a&wrong=e")
    page.wait_for_function("() => document.querySelector('.heatmap') && !document.querySelector('progress')")
    task = pairs.task_of(small, (TEXT, corrupt), ("a", "e"))[0]
    cells = patch.grid(small.model, task, "heads")
    expected = patching.exact(small.model, task, logit_diff, cells, directions=["denoise"])
    np.testing.assert_allclose(swept(page, "patching"), expected.change.values.ravel(), atol=0.0051)
    page.get_by_label("corrupt text").fill("too short")
    page.wait_for_selector("[role=alert]")
    assert "same number of tokens" in page.locator("[role=alert]").first.inner_text()
    shown.wrong = [
        one for one in shown.wrong if "400" not in one
    ]  # the browser writes a refused request to the console


# ---- circuits ------------------------------------------------------------------------------------------------------


def test_a_circuit_and_its_switches_are_those_of_the_library(shown: Watched, small: Checkpoint, task: Task) -> None:
    page = shown.open(f"{AT}&view=circuit&edges=12")
    page.get_by_role("button", name="Find the circuit").click()
    found = circuit.find(small.model, task, task, circuit.Wanted("exact", 12))
    names = small.known_vocabulary.names(small.model.config.vocab_size)
    page.wait_for_selector("svg.circuit")
    assert page.locator("[data-value=edges]").inner_text() == "12"
    assert number(page.locator("[data-value=faithfulness]").inner_text()) == pytest.approx(found.faithful, abs=6e-4)
    arrows = page.locator("g.arrow").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert {one.split(",")[0].removeprefix("edge ") for one in arrows} == {str(edge) for edge in found.drawn}
    for label in arrows:
        name, effect = label.removeprefix("edge ").split(", effect ")
        assert number(effect) == pytest.approx({str(e): v for e, v in found.effects.items()}[name], abs=0.0051)
    edge = str(next(iter(found.drawn)))
    page.locator(f"g.arrow[aria-label^='edge {edge},']").focus()
    page.keyboard.press("Enter")
    without = circuit_live.judged(small.model, task, Switches([edge]).of(found.circuit), names)
    says(page, "left", f"{without.faithfulness + 0.0:.3f}")
    page.get_by_role("button", name="All on").last.click()
    page.get_by_label("cut from").select_option("model")
    page.locator("g.node[aria-label='node MLP0']").click()
    whole = circuit_live.chosen(small.model, [], "model")
    cut = circuit_live.judged(small.model, task, Switches(nodes=["MLP0"]).of(whole), names)
    says(page, "left", f"{cut.faithfulness + 0.0:.3f}")
    assert "cut=MLP0" in page.url


# ---- components and neurons ----------------------------------------------------------------------------------------


def test_neurons_are_switched_off_and_scaled(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=text")
    page.get_by_label("component to switch off").fill("L1N5")
    page.keyboard.press("Enter")
    says(page, "loss", f"{loss(small, 'L1N5'):.3f} nats")
    page.locator(".change input[type=checkbox]").uncheck()
    page.get_by_label("factor of L1N5").fill("-20")
    page.keyboard.press("Tab")
    says(page, "loss", f"{loss(small, 'L1N5*-20'):.3f} nats")
    page.get_by_role("button", name="L1N5 as it is").click()
    says(page, "loss", f"{loss(small):.3f} nats")


def test_what_is_off_takes_another_texts_values(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=lens&off=L0H1,L1.mlp&how=other&other=KING")
    expected = loss(small, "L0H1", "L1.mlp", how="other", other="KING")
    says(page, "loss", f"{expected:.3f} nats")
    edits = ablate.changes(small, TEXT, ["L0H1", "L1.mlp"], "other", "KING")
    chance = live.lens(small, TEXT, edits).chance[:, :, 0]
    shares = [float(label.rsplit(" ", 2)[1]) / 100 for label in labels(page, "lens")]
    np.testing.assert_allclose(shares, chance.ravel(), atol=0.0051)


def test_the_neurons_of_the_text_are_raised_and_have_cards(shown: Watched, small: Checkpoint, session: Session) -> None:
    page = shown.open(f"{AT}&view=neurons")
    expected = neuron_cards.on_text(small, TEXT, 12)
    assert page.locator(".neuron-list code").all_inner_texts() == [one.name for one in expected]
    peaks = [float(one) for one in page.locator(".neuron-list .number").all_inner_texts()]
    np.testing.assert_allclose(peaks, [max(one.activations) for one in expected], atol=0.0051)
    page.get_by_role("button", name="Raise").click()
    change = loss(small, f"{expected[0].name}*5") - loss(small)
    says(page, "loss-change", f"{'-' if change < 0 else '+'}{abs(change):.3f} nats".replace("-", "−"))
    page.get_by_role("button", name="Measure all neurons").click()
    page.wait_for_selector(".card .example")
    over = session.kept.known(("neurons", 0))
    first = neuron_cards.on_text(small, TEXT, 12, over=over)[0]
    card = neuron_cards.card(over, (first.layer, first.neuron))
    assert page.locator(".card").get_attribute("aria-label") == f"card of {card.name}"
    values = [float(one) for one in page.locator(".example .number").all_inner_texts()]
    kept = [one for one in card.examples if not one.kind.startswith("top") or int(one.kind.split()[1]) <= 3]
    np.testing.assert_allclose(values, [one.activations[40] for one in kept], atol=0.0051)


# ---- reasons and lenses --------------------------------------------------------------------------------------------


def test_why_a_head_looks_there_is_said_as_by_the_library(shown: Watched, small: Checkpoint) -> None:
    page = shown.open(f"{AT}&view=attention&layer=1&head=1&position=12&attended=3")
    expected = why.why(small, TEXT, "L1H1", 12, 3)
    says(page, "reason", why.reason(expected))
    np.testing.assert_allclose(swept(page, "parts of the score"), expected.above.parts.ravel(), atol=0.0051)
    page.get_by_label("key", exact=True).select_option("5")
    says(page, "reason", why.reason(why.why(small, TEXT, "L1H1", 12, 5)))


def test_a_click_into_a_pattern_asks_why(shown: Watched) -> None:
    page = shown.open(f"{AT}&view=attention&layer=1&head=0")
    box = page.locator(".frame").bounding_box()
    size = len(TEXT)
    page.mouse.click(box["x"] + box["width"] * 4.5 / size, box["y"] + box["height"] * 9.5 / size)
    page.wait_for_function("() => location.search.includes('position=9') && location.search.includes('attended=4')")


def test_the_tuned_lens_is_fitted_at_a_click(shown: Watched, small: Checkpoint, session: Session) -> None:
    page = shown.open(f"{AT}&view=lens&lens=tuned")
    page.get_by_role("button", name="Fit the tuned lens").click()
    page.wait_for_selector("svg[aria-label=lens]", timeout=60_000)
    shown.settled()
    by = session.kept.known(("tuned lens", 0)).translation.lens(small.model)
    chance = live.lens(small, TEXT, by=by).chance[:, :, 0]
    shares = [float(label.rsplit(" ", 2)[1]) / 100 for label in labels(page, "lens")]
    np.testing.assert_allclose(shares, chance.ravel(), atol=0.0051)
    assert not np.allclose(chance, live.lens(small, TEXT).chance[:, :, 0], atol=0.02)


# ---- in a notebook -------------------------------------------------------------------------------------------------


def in_a_cell(shown: Watched, what: Any) -> Any:
    """A picture as a notebook shows it: a frame whose page has no address."""
    shown.page.set_content(what._repr_html_())
    frame = shown.page.frame_locator("iframe")
    frame.locator("main .panel").wait_for()
    return frame


def test_a_notebook_shows_attention_and_lens_without_a_server(shown: Watched, small: Checkpoint) -> None:
    frame = in_a_cell(shown, show(small, TEXT, "lens"))
    cells = frame.locator("svg[aria-label=lens] [role=gridcell]")
    found = cells.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    shares = [float(label.rsplit(" ", 2)[1]) / 100 for label in found]
    np.testing.assert_allclose(shares, live.lens(small, TEXT).chance[:, :, 0].ravel(), atol=0.0051)
    frame = in_a_cell(shown, show(small, TEXT, "attention"))
    weights = heads.attention(small, TEXT).values[0, 0, -1]
    said = frame.locator(".looks .fact").inner_text()
    shares = {int(at): float(share) / 100 for at, share in re.findall(r"at (\d+) \(([\d.]+) %\)", said)}
    np.testing.assert_allclose(list(shares.values()), weights[list(shares)], atol=0.0075)


def test_a_notebook_shows_a_sweep(shown: Watched) -> None:
    values = np.array([[0.5, -1.25, np.nan], [0.0, 2.0, 0.25]])
    frame = in_a_cell(shown, show(Sweep(values, ("layer", "pos"), "logits", {"pos": ("a", "b", "c")})))
    cells = frame.locator("svg[aria-label=sweep] [role=gridcell]")
    found = cells.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert found[1] == "layer 0, b: −1.25 logits"
    assert found[2] == "layer 0, c: not measured yet"
    assert cells.nth(3).get_attribute("fill") == "rgb(255 255 255)"  # zero is white
