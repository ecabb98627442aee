"""Dictionaries in their published form: the card says what was measured, and the shipped one is what its card says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dictionaries.measure import measured
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.release import CARD, held_out_fvu, release
from nanoscope.dictionaries.source import Source
from nanoscope.dictionaries.store import Dictionary, train
from nanoscope.dictionaries.store import load as load_dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import Corpus

ROOT = Path(__file__).parents[2]
SHIPPED, MODEL = (ROOT / "trained_models" / name for name in ("shakespeare_char_sae", "shakespeare_char_model"))
MEASURED = 600


@pytest.fixture(scope="module")
def subject() -> tuple[Checkpoint, Corpus]:
    letters = torch.randint(13, (9000,), generator=torch.Generator().manual_seed(0))
    corpus = Corpus("letters", "".join("abcdefghijklm"[letter] for letter in letters))
    return Checkpoint(random_model(), corpus.vocabulary, sha256="0" * 64), corpus


@pytest.fixture(scope="module")
def pair(subject: tuple[Checkpoint, Corpus], tmp_path_factory: pytest.TempPathFactory) -> list[Dictionary]:
    """A dictionary and its twin's."""
    recipe, folder = Recipe(latents=20, k=3, tokens=20_000), tmp_path_factory.mktemp("pair")
    checkpoint, corpus = subject
    return [
        train(checkpoint, corpus, Source.named("resid_post.1"), recipe, folder / str(twin), twin) for twin in (None, 1)
    ]


def test_a_release_holds_rounded_weights_and_what_they_measure(
    subject: tuple[Checkpoint, Corpus], pair: list[Dictionary], tmp_path: Path
) -> None:
    checkpoint, corpus = subject
    released = release(*pair, checkpoint, corpus, tmp_path / "sae", MEASURED)
    for name, value in pair[0].coder.state_dict().items():
        assert torch.equal(released.coder.state_dict()[name], value.half().float()), name
    rows = measured(released, checkpoint, corpus, MEASURED)
    stored = released.identity["measured"]
    assert stored[: len(rows)] == json.loads(json.dumps([row.plain() for row in rows]))
    assert [row["coder"] for row in stored[len(rows) :]] == ["dictionary of an untrained twin"] * 2
    unrounded = measured(pair[0], checkpoint, corpus, MEASURED)[1].fidelity.fvu
    assert released.identity["fvu_unrounded"] == pytest.approx(unrounded, abs=1e-12)
    card = (tmp_path / "sae" / CARD).read_text()
    assert f"| dictionary, held-out text | {rows[1].fidelity.fvu:.3f} | 3.0 |" in card
    assert "{{" not in card
    with pytest.raises(NanoscopeError, match="there is something in"):
        release(*pair, checkpoint, corpus, tmp_path / "sae", MEASURED)


def test_another_fit_is_no_twin(subject: tuple[Checkpoint, Corpus], pair: list[Dictionary], tmp_path: Path) -> None:
    own, twin = pair
    other = replace(twin, identity={**twin.identity, "recipe": None})
    for wrong in (own, other):
        with pytest.raises(NanoscopeError, match="is no twin of the first"):
            release(own, wrong, *subject, tmp_path / "sae", MEASURED)
    assert not (tmp_path / "sae").exists()


# ---- the shipped one -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Dictionary:
    return load_dictionary(SHIPPED)


def test_the_shipped_dictionary_belongs_to_the_shipped_model_and_is_small(shipped: Dictionary) -> None:
    assert shipped.identity["checkpoint"] == load(MODEL).sha256
    assert (str(shipped.source), shipped.coder.shape.latents, shipped.coder.shape.k) == ("resid_post.3", 3072, 16)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 8_000_000
    torch.testing.assert_close(shipped.coder.W_dec.norm(dim=1), torch.ones(3072), atol=1e-3, rtol=0)


def test_the_shipped_dictionary_explains_what_its_card_says(shipped: Dictionary, shakespeare: Corpus) -> None:
    """Another tenth of the characters: their FVU is near the stored one, and rounding changed the stored one by far less."""
    stored = {(row["coder"], row["part"]): row["fvu"] for row in shipped.identity["measured"]}
    own = stored["dictionary", "held-out text"]
    here = held_out_fvu(shipped, load(MODEL), shakespeare, shipped.identity["tokens_measured"] // 10)
    assert here == pytest.approx(own, rel=0.1)
    assert abs(shipped.identity["fvu_unrounded"] - own) < 1e-4
    assert f"| {own:.3f} |" in (SHIPPED / CARD).read_text()
    assert own < min(fvu for (coder, _), fvu in stored.items() if coder in ("principal components", "coordinates"))


@pytest.mark.slow
def test_the_shipped_dictionary_measures_what_is_stored_with_it(shipped: Dictionary, shakespeare: Corpus) -> None:
    own = held_out_fvu(shipped, load(MODEL), shakespeare, shipped.identity["tokens_measured"])
    stored = shipped.identity["measured"][1]
    assert (stored["coder"], stored["part"]) == ("dictionary", "held-out text")
    assert own == pytest.approx(stored["fvu"], rel=1e-4)
