"""The addresses of dictionaries' features: the library's own values, and one line for what cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.app import application
from nanoscope.dashboard.session import Session
from nanoscope.dictionaries import store
from nanoscope.dictionaries.coder import Shape, starting
from nanoscope.dictionaries.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.views import live
from nanoscope.views.features import FeatureView

TEXT = "abcabdacbz"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of these letters, to measure on."""
    file = tmp_path_factory.mktemp("text") / "letters.txt"
    rng = np.random.default_rng(0)
    file.write_text("".join(rng.choice(list(LETTERS.symbols), 30_000)))
    return file


def test_features_have_cards_once_they_are_measured(checkpoint: Checkpoint, letters: Path, tmp_path: Path) -> None:
    coder = starting(Shape("topk", 16, 16, 20, 3), False, 1).eval().requires_grad_(False)
    store.save(store.Dictionary(coder, Source.named("mlp.1")), tmp_path / "sae")
    session = Session([Path("a/small")], [checkpoint], data=str(letters), dictionaries=[tmp_path / "sae"])
    client = TestClient(application(session), base_url="http://127.0.0.1")
    (one,) = client.get("/api/dictionaries").json()
    assert (one["source"], one["latents"], one["path"]) == ("mlp.1", 20, str(tmp_path / "sae"))
    before = client.get("/api/features", params={"text": TEXT, "feature": 7}).json()
    assert (before["measured"], before["features"][0]["feature"]) == (False, 7)
    raised = {"text": TEXT, "off": "D0F7+2"}
    for address, asked in (("features/card", {"feature": 7}), ("text", raised)):
        early = client.get(f"/api/{address}", params=asked)
        assert (early.status_code, "press Measure" in early.json()["error"]) == (400, True)
    lines = [json.loads(line) for line in client.post("/api/features/measure").text.splitlines()]
    assert lines[0]["progress"][0] == "where features are active"
    assert lines[-1] == {"end": True}
    measured = lines[-2]["value"]
    view = FeatureView.of(session.dictionaries[0].dictionary, checkpoint, session.corpus(0))
    assert measured == {"corpus": "letters", "characters": view.texts.whole.places.size}
    card, facts = client.get("/api/features/card", params={"feature": 7}).json(), view.facts(7)
    assert (card["density"], card["largest"]) == (facts.density, facts.largest)
    assert [[one["name"], one["value"]] for one in card["raises"]] == [list(one) for one in facts.raises]
    assert [one["before"] + one["here"] for one in card["examples"]] == [
        one.before + one.here for one in facts.examples
    ]
    told = client.get("/api/features/concepts", params={"feature": 7}).json()["told"]
    assert [one["concept"] for one in told] == [one.concept for one in view.concepts_of(7)]
    found = client.get("/api/text", params=raised).json()
    edits = view.steered(7, 2).edits
    np.testing.assert_allclose(found["chance"], live.predictions(checkpoint, TEXT, edits).chance, rtol=1e-5)
    written = client.get("/api/sample", params={"text": TEXT, "off": "D0F7", "length": 3})
    assert (written.status_code, "not silenced" in written.json()["error"]) == (400, True)


def test_a_dictionary_of_no_opened_model_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    coder = starting(Shape("topk", 16, 16, 20, 3), False, 1)
    for name, identity in (("other", {"checkpoint": "of another model"}), ("twin", {"twin": 1})):
        store.save(store.Dictionary(coder, Source.named("mlp.1"), identity), tmp_path / name)
        with pytest.raises(NanoscopeError, match="another checkpoint" if name == "other" else "untrained twin"):
            Session([Path("a/small")], [checkpoint], dictionaries=[tmp_path / name])
    with pytest.raises(NanoscopeError, match="no checkpoint is open"):
        Session([], dictionaries=[tmp_path / "other"])
    with pytest.raises(NanoscopeError, match="there is no dictionary in"):
        Session([Path("a/small")], [checkpoint], dictionaries=[tmp_path])
