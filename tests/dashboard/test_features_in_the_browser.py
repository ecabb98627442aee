"""Features of a dictionary in headless Chromium: the page's values are the library's own, of a dictionary really trained."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from watched import TEXT, Watched, downloaded

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.session import Session
from nanoscope.interventions.edits import AnyEdit
from nanoscope.interventions.generate import Sampling
from nanoscope.views import ablate, feature_cards, live, sample
from nanoscope.views.features import Facts

pytest_plugins = ["browser"]
pytestmark = pytest.mark.slow
FIRST = 40
"""Characters of a written text that are compared: some are written before the context is full, and some after."""
AT = f"?text={quote(TEXT)}&view=neurons&dictionary=0"


@pytest.fixture(scope="module")
def small(training: Path) -> Checkpoint:
    return load(training / "final")


def edits_of(session: Session, *changes: str) -> tuple[AnyEdit, ...]:
    return ablate.changes(session.checkpoint(0), TEXT, changes, dictionaries=session.raisable)


def said_change(session: Session, change: str) -> str:
    """The change of the mean loss as the page writes it."""
    losses = [live.predictions(session.checkpoint(0), TEXT, edits).loss for edits in (edits_of(session, change), ())]
    by = float(np.nanmean(losses[0]) - np.nanmean(losses[1]))
    return f"{'−' if by < 0 else '+'}{abs(by):.3f} nats"


def says(shown: Watched, name: str, words: str) -> None:
    shown.page.wait_for_function(
        "([name, words]) => document.querySelector(`[data-value='${name}']`)?.innerText === words", arg=[name, words]
    )


def symbols(some: tuple[tuple[str, float], ...]) -> str:
    signs = ((name.replace("\n", "⏎").replace(" ", "␣"), f"{value:+.2f}".replace("-", "−")) for name, value in some)
    return " ".join(f"{name} {value}" for name, value in signs)


def test_features_are_silenced_measured_and_raised(shown: Watched, small: Checkpoint, session: Session) -> None:
    page, dictionary = shown.open(AT), session.dictionaries[0].dictionary
    active = feature_cards.on_text(small, dictionary, TEXT, 12)
    assert page.locator(".neuron-list code").all_inner_texts() == [f"F{one.feature}" for one in active]
    peaks = [float(one) for one in page.locator(".neuron-list .number").all_inner_texts()]
    np.testing.assert_allclose(peaks, [max(one.values) for one in active], atol=0.0051)
    assert page.get_by_role("button", name="Raise").is_disabled()
    page.get_by_role("button", name="Silence").click()
    says(shown, "loss-change", said_change(session, f"D0F{active[0].feature}"))
    page.get_by_role("button", name="Measure all features").click()
    page.wait_for_selector(".card .example", timeout=120_000)
    view = session.known_features(0)
    assert view is not None
    first = feature_cards.on_text(small, dictionary, TEXT, 12, largest=view.whole.largest)[0].feature
    page.locator(".neuron-list button").first.click()
    page.wait_for_selector(f"[aria-label='card of D0F{first}'][aria-busy=false]")
    agrees(page, view.facts(first))
    page.get_by_role("button", name="All on").click()
    page.get_by_role("button", name="Raise").click()
    says(shown, "loss-change", said_change(session, f"D0F{first}+2"))


def agrees(page: Any, card: Facts) -> None:
    """The page's card of a feature is the library's."""
    assert page.locator("[data-value=density]").inner_text() == f"{100 * card.density:.2f} %"
    assert " ".join(page.locator("[data-value=raises]").inner_text().split()) == symbols(card.raises)
    values = [float(one) for one in page.locator(".example .number").all_inner_texts()]
    np.testing.assert_allclose(values, [one.value for one in card.examples], atol=0.0051)
    assert len({one.tenth for one in card.examples}) == 10
    marked = [one.replace("⏎", "\n").replace("␣", " ") for one in page.locator(".example mark").all_inner_texts()]
    assert marked == [one.here for one in card.examples]


def test_the_text_is_written_on_as_the_command_does(shown: Watched, session: Session) -> None:
    view = session.features(0)
    feature = int(view.whole.density.argmax())
    both = {"as it is": (), "changed": view.steered(feature, 3).edits}
    drawing = Sampling(0.8, None, 1)
    first = {
        name: "".join(sample.writing(view.checkpoint, TEXT, FIRST, drawing, edits)) for name, edits in both.items()
    }
    page = shown.open(f"{AT}&feature={feature}&off={quote(f'D0F{feature}+3')}")
    page.get_by_role("button", name="Write on").click()
    for name, text in first.items():
        page.wait_for_function(
            "([name, text]) => document.querySelector(`[data-value='${name}']`)?.textContent.startsWith(text)",
            arg=[name, text],
            timeout=120_000,
        )
    assert first["as it is"] != first["changed"]


def test_features_are_changed_beside_heads_and_a_link_restores_it(shown: Watched, session: Session) -> None:
    session.features(0)
    page = shown.open(f"?text={quote(TEXT)}&view=text&off=L0H1")
    page.get_by_label("component to switch off").fill("D0F7")
    page.keyboard.press("Enter")
    page.wait_for_selector(".change:has(code:text-is('D0F7'))")
    names = ["L0H1", "D0F7"]
    loss = live.predictions(session.checkpoint(0), TEXT, edits_of(session, *names)).loss
    says(shown, "loss", f"{float(np.nanmean(loss)):.3f} nats")
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    shown.settled()
    assert page.locator(".change code").all_inner_texts() == names
    assert downloaded(page, "JSON")["loss"][1] == pytest.approx(loss[1])
