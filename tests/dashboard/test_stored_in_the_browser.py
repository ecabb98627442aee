"""The views of stored results in headless Chromium: the numbers of the published study, served and in an exported file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched import PUBLISHED, Watched, downloaded, watch

from nanoscope.checkpoints.checkpoint import load
from nanoscope.dashboard.export import export
from nanoscope.dashboard.session import Session
from nanoscope.dashboard.stored import Stored
from nanoscope.experiments.circuits.facts import kept
from nanoscope.experiments.circuits.stored import circuit, exact
from nanoscope.training.loop import checkpoints
from nanoscope.views import live, measured_heads, stored_heads
from nanoscope.views.circuit import DRAWN
from nanoscope.views.stored_findings import ShownClaim

pytest_plugins = ["browser"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet"),
]


@pytest.fixture(scope="module")
def stored(session: Session) -> Stored:
    return session.stored


@pytest.fixture(scope="module")
def file(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(stored, tmp_path_factory.mktemp("exported") / "study.html")


@pytest.fixture
def exported(chromium: Any, file: Path) -> Iterator[Watched]:
    """The exported file, opened from disk; it may ask for nothing but itself."""
    watched = watch(chromium, f"file://{file}")
    yield watched
    watched.page.close()
    assert watched.wrong == []


def value(words: str) -> float:
    return float(words.replace("−", "-"))


def same(shown: str, expected: float) -> bool:
    """Whether a number that the page shows with three digits is this one."""
    return value(shown) == pytest.approx(expected, rel=0.006)


def claims_agree(page: Any, claims: list[ShownClaim]) -> None:
    for claim in claims:
        page.locator(f"[id='claim-{claim.id}']").click()
        page.wait_for_selector(f"[aria-label='{claim.id}']")
        assert page.locator("[data-value=verdict]").inner_text().startswith(claim.effect.verdict)
        assert page.locator("[data-value=criterion]").inner_text() == claim.criterion
        if np.isfinite(claim.effect.value):
            found = re.match(r"(\S+) \[(\S+), (\S+)\]", page.locator("[data-value=effect]").inner_text())
            assert found, claim.id
            assert all(map(same, found.groups(), (claim.effect.value, claim.effect.low, claim.effect.high)))
        parts = len(claim.trainings) if len(claim.trainings) > 1 else 0
        rows = 0 if claim.effect.verdict == "withdrawn" else 1 + parts + len(claim.beside)
        assert page.locator(".forest .told").count() == rows


def heads_agree(page: Any, stored: Stored, label: str) -> None:
    table = stored.heads(stored.labels.index(label))
    measures = {one.name: one.values.ravel() for one in table.measures}
    across, up = (measures[page.get_by_label(axis, exact=True).input_value()] for axis in ("across", "up"))
    for at, name in enumerate(table.names):
        row = page.locator(f".table tr:has(button:text-is('{name}'))")
        for cell in row.locator("[data-measure]").all():
            assert same(cell.inner_text(), measures[cell.get_attribute("data-measure")][at])
    dots = {dot.get_attribute("data-head"): dot for dot in page.locator(".dot").all()}
    for values, place in ((across, "cx"), (up, "cy")):
        places = [float(dots[name].get_attribute(place)) for name in table.names]
        assert np.abs(np.polyval(np.polyfit(values, places, 1), values) - places).max() < 0.01


def curves_agree(page: Any, stored: Stored, recipe: int, at: int) -> None:
    found = stored.training(recipe)
    page.get_by_label("step", exact=True).fill(str(at))
    page.wait_for_function(
        "n => document.querySelector('[data-value=step]').innerText === n", arg=f"step {found.steps[at]}"
    )
    for curve in found.curves:
        assert same(page.locator(f"[data-curve='{curve.name}']").text_content().rsplit(" ", 1)[1], curve.mean[at])


def circuit_agrees(page: Any, stored: Stored, number: int) -> None:
    """The drawn edges and what they keep are those of the stored result."""
    label, task = stored.tasks[number]
    result = stored.study.result(label, "circuits")
    assert result is not None
    scores, edges = exact(result.sweeps, task), circuit(result.sweeps, task)
    page.wait_for_selector("svg.circuit")
    said = page.locator("g.arrow").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    shown = {name: value(effect) for name, effect in re.findall(r"edge (\S+), effect (\S+) logits", " ".join(said))}
    assert set(shown) <= set(map(str, edges.connected.edges))
    assert len(shown) == min(DRAWN, len(edges.connected))
    expected = [float(scores.of(edge).mean()) for edge in shown]
    np.testing.assert_allclose(list(shown.values()), expected, atol=0.0051)
    others = [abs(scores.of(edge).mean()) for edge in edges.connected.edges if str(edge) not in shown]
    assert max(others, default=0) <= min(map(abs, expected))
    assert same(page.locator("[data-value=kept]").inner_text(), kept(result.sweeps, task))


def test_the_circuits_of_the_study_are_drawn_beside_those_of_two_texts(shown: Watched, stored: Stored) -> None:
    page = shown.open("?view=circuit")
    assert page.get_by_role("button", name="Find the circuit").is_visible()
    page.get_by_label("circuit of").select_option(str(len(stored.tasks) - 1))
    circuit_agrees(page, stored, len(stored.tasks) - 1)
    assert "stored=" in page.url


def test_findings_show_each_claims_numbers(shown: Watched, stored: Stored) -> None:
    page = shown.open("?view=findings&claims=every")
    claims_agree(page, [claim for section in stored.sections for claim in section.claims])
    drawn = page.locator(".claim img")
    drawn.wait_for()
    page.wait_for_function("() => document.querySelector('.claim img').naturalWidth > 100")


def test_the_keys_move_through_the_findings(shown: Watched, stored: Stored) -> None:
    page = shown.open("?view=findings")
    asked = [claim.id for section in stored.sections for claim in section.claims if claim.question]
    page.locator("[role=option]").first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.wait_for_selector(f"[aria-label='{asked[2]}']")


def test_the_cloud_shows_every_heads_numbers(shown: Watched, stored: Stored) -> None:
    main, control = stored.study.main, stored.study.with_role("control")[0]
    heads_agree(shown.open(f"?view=heads&of={stored.labels.index(main)}"), stored, main)
    page = shown.open(f"?view=heads&of={stored.labels.index(control)}&x=induction&y=entropy")
    heads_agree(page, stored, control)
    table = stored.heads(stored.labels.index(control))
    page.locator(f".dot[data-head={table.names[-1]}]").click()
    page.wait_for_function("name => document.querySelector('.head-card h3').innerText === name", arg=table.names[-1])
    assert downloaded(page, "JSON")["classes"] == list(table.classes)
    assert downloaded(page, "PNG").startswith(b"\x89PNG")
    assert b"<circle" in downloaded(page, "SVG")


def test_the_slider_shows_the_curves_at_its_step_and_plays(shown: Watched, stored: Stored) -> None:
    page = shown.open("?view=training")
    last = len(stored.training(0).steps) - 1
    for at in (0, last // 2, last):
        curves_agree(page, stored, 0, at)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => Number(document.querySelector('[aria-label=step]').value) >= 2")


def test_the_lens_at_an_earlier_step_is_that_checkpoints_own(shown: Watched, training: Path) -> None:
    page = shown.open("?view=training&step=50&text=ROMEO")
    page.wait_for_selector(".earlier [data-value='step loss']")
    expected = live.lens(load(checkpoints(training)[50]), "ROMEO")
    said = page.locator(".earlier [data-value='step loss']").inner_text()
    assert value(said.removesuffix(" nats")) == pytest.approx(np.nanmean(expected.loss), abs=0.001)


def test_the_heads_of_a_new_checkpoint_are_measured_at_a_click(
    shown: Watched, session: Session, training: Path, shakespeare: object
) -> None:
    page = shown.open("?view=heads&of=opened")
    start = page.get_by_role("button", name=re.compile("Measure"))
    start.click()
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".measuring .primary")
    assert measured_heads.kept(session.stored.keep, load(training / "final").sha256) is None
    start.click()
    page.wait_for_selector(".cloud", timeout=300_000)
    found = measured_heads.kept(session.stored.keep, load(training / "final").sha256)
    assert found is not None
    without = next(one for one in stored_heads.measures(found) if one.name == stored_heads.WITHOUT).values
    said = [
        page.locator(f".table tr:has(button:text-is('L1H{h}')) [data-measure='{stored_heads.WITHOUT}']") for h in (0, 1)
    ]
    assert all(same(one.inner_text(), one_value) for one, one_value in zip(said, without[1], strict=True))


def test_the_exported_file_opens_from_disk_with_the_same_numbers(exported: Watched, stored: Stored) -> None:
    page = exported.open("#view=findings")
    assert page.get_by_role("tab").all_inner_texts() == ["Circuit", "Heads", "Training", "Findings"]
    claims_agree(page, [claim for section in stored.sections for claim in section.claims if claim.key])
    page.wait_for_function("() => document.querySelector('.claim img').naturalWidth > 100")
    page.get_by_role("tab", name="Circuit").click()
    circuit_agrees(page, stored, 0)
    page.get_by_role("tab", name="Heads").click()
    page.wait_for_selector(".cloud")
    heads_agree(page, stored, stored.labels[0])
    page.get_by_role("tab", name="Training").click()
    page.wait_for_selector(".curves")
    curves_agree(page, stored, 0, 5)
    page.go_back()
    page.wait_for_selector(".cloud")
