"""A first look: the same numbers by other ways, every kind of model, texts too short, and what is left behind."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_model

from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.prediction import effective_context
from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT, untrained
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.plots.look import overview, text_reading
from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.tasks import metrics
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.passages import passages
from nanoscope.text.tokenizer import Bytes, tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views import look_files, look_text
from nanoscope.views.look import STAGES, Look, Unmeasured, look
from nanoscope.views.look_answers import answers

WORDS = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\nWhy? the fox: no.\n\n"
CORPUS = Corpus("words", WORDS * 40)
VOCABULARY = Vocabulary.of(WORDS)
TEXT = "the dog\n"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _checkpoint(**changes) -> Checkpoint:
    shape = {"n_layer": 1, "block_size": 24, "vocab_size": len(VOCABULARY)}
    return Checkpoint(random_model(**(shape | changes)), VOCABULARY, sha256="0123456789abcdef")


@pytest.fixture(scope="module")
def seen() -> tuple[Look, list[tuple[str, int, int]]]:
    shown: list[tuple[str, int, int]] = []
    found = look(_checkpoint(n_layer=2), CORPUS, TEXT, lambda *at: shown.append(at))
    return found, shown


def test_every_stage_is_shown_and_progress_never_goes_back(seen: tuple[Look, list[tuple[str, int, int]]]) -> None:
    _, shown = seen
    assert list(dict.fromkeys(stage for stage, _, _ in shown)) == [*STAGES, ""]
    shares = [done / of for _, done, of in shown]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_parts_agree_with_one_another(seen: tuple[Look, list[tuple[str, int, int]]]) -> None:
    """The loss of the lens's last reading is the model's; the last first choice is final; a class costs what its heads do."""
    found, _ = seen
    assert found.lens.loss.values[-1].mean() == pytest.approx(found.loss.values[0][1::2].mean(), abs=1e-4)
    np.testing.assert_array_equal(found.lens.final.values[-1], 1)
    assert (np.diff(found.lens.final.values.mean(1)) >= 0).all()
    assert found.cost("heads of L0") == pytest.approx(found.ablation.sel(set="heads of L0").values.mean())
    assert not isinstance(found.heads, Unmeasured)
    for name, heads in found.heads.members().items():
        if len(heads) == 1:
            assert found.cost(f"class {name}") == pytest.approx(found.cost(f"L{heads[0][0]}H{heads[0][1]}"), abs=1e-6)


def test_what_is_kept_is_what_was_measured(seen: tuple[Look, list[tuple[str, int, int]]], tmp_path: Path) -> None:
    found, _ = seen
    paths = look_files.store(found, answers(found), tmp_path, TEXT)
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()}
    kept = json.loads((tmp_path / "look.json").read_text())
    assert kept["model"]["layers"] == 2
    assert [one["question"] for one in kept["answers"]] == [one.question for one in answers(found)]
    rows = _rows(tmp_path / "heads.csv")
    assert [row["head"] for row in rows] == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert float(rows[2]["cost_alone"]) == pytest.approx(found.cost("L1H0"))
    text = _rows(tmp_path / f"{look_files.text_name(TEXT)}.csv")
    assert "".join(row["token"] for row in text) == TEXT


def test_the_figures_are_readable(seen: tuple[Look, list[tuple[str, int, int]]]) -> None:
    found, _ = seen
    assert not isinstance(found.context, Unmeasured)
    assert isinstance(found.text, look_text.TextReading)
    lens = {"loss": found.lens.loss, "final": found.lens.final}
    classes = [["previous token", "same character"], ["", "induction"]]
    context = (found.context.cost, found.context.whole)
    whole = overview(found.loss, context, found.ablation, classes, lens, "a model")
    text = text_reading(found.text.pieces, found.text.loss, found.text.decided, 2, "a model")
    for figure in (whole, text):
        assert checklist(figure) == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_only": True, "n_head": 1, "norm": "rms", "positions": "none"},
        {"n_layer": 3, "block_size": 2},
    ],
)
def test_every_kind_of_model_ends_in_answers(changes: dict) -> None:
    found = look(_checkpoint(**changes), CORPUS)
    assert len(answers(found)) == 6
    assert all(one.text for one in answers(found))
    block = changes.get("block_size", 24)
    assert isinstance(found.heads, Unmeasured) == (block == 2)
    assert "".join(one.text for one in answers(found)).count("Not measured") == isinstance(found.heads, Unmeasured)


def test_what_cannot_be_read_is_one_clear_line() -> None:
    with pytest.raises(NanoscopeError, match="no vocabulary"):
        look(Checkpoint(random_model()), CORPUS)
    with pytest.raises(NanoscopeError, match="too few to measure anything; give a longer text"):
        look(_checkpoint(), Corpus("short", WORDS))
    other = Checkpoint(random_model(vocab_size=4), Vocabulary(("a", "b", "c", "d")))
    with pytest.raises(NanoscopeError, match="not among the model's 4 symbols"):
        look(other, CORPUS)


def test_bytes_are_tokens_and_start_symbols_are_read() -> None:
    found = look(Checkpoint(random_model(n_layer=1, vocab_size=257), Bytes(started=True)), CORPUS)
    assert "nats per token" in answers(found)[0].text


# ---- a text of one's own ---------------------------------------------------------------------------------------------


def test_a_text_is_read_as_the_model_reads_it() -> None:
    checkpoint = _checkpoint(n_layer=3)
    text = "the dog sleeps on."
    found = look_text.read_text(checkpoint, text)
    tokens = checkpoint.encode(text)
    log_probs = metrics.log_probs(checkpoint.model(tokens[None])[0])
    np.testing.assert_allclose(found.loss, -metrics.chosen(log_probs[:-1], tokens[1:]).numpy(), atol=1e-4)
    assert found.guess[3] == VOCABULARY.symbols[int(log_probs[3].argmax())]
    hardest = found.hardest(3)
    assert found.loss[hardest[0] - 1] == found.loss.max()


def test_a_text_longer_than_the_context_is_read_with_half_a_context_before() -> None:
    checkpoint, text = _checkpoint(), WORDS[:60]
    found = look_text.read_text(checkpoint, text)
    tokens = checkpoint.encode(text)
    assert len(found.loss) == len(text) - 1
    for at, end in ((5, 24), (24, 36), (30, 36), (40, 48), (50, 60), (59, 60)):
        begin = max(0, end - 24)
        log_probs = metrics.log_probs(checkpoint.model(tokens[None, begin:at])[0, -1])
        assert found.loss[at - 1] == pytest.approx(-float(log_probs[tokens[at]]), abs=1e-4), at
    with pytest.raises(NanoscopeError, match="at least two tokens"):
        look_text.read_text(checkpoint, "t")


# ---- known answers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repetitive() -> Corpus:
    """Twelve words of six letters in random order: much of it occurred before."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijkl"), 6)) for _ in range(12)]
    return Corpus("words", "".join(words[int(i)] for i in rng.integers(0, 12, 3600)))


def test_a_model_that_copies_is_seen_and_an_untrained_one_is_not(repetitive: Corpus) -> None:
    copier = planted_induction(Vocabulary(tuple("abcdefghijkl")), Planted(context=49))
    small = GPT(replace(copier.model.config, n_embd=32))
    random = replace(copier, model=untrained(small, "look"))
    for checkpoint, copies in ((copier, True), (random, False)):
        found = look(checkpoint, repetitive)
        by_question = {one.question: one.verdict for one in answers(found)}
        for question in ("Does it copy from its context?", "Has it an induction head?"):
            assert by_question[question] == ("yes" if copies else "no"), question
        assert not isinstance(found.heads, Unmeasured)
        assert (found.heads.named(1, 0) == "induction") == copies
        assert (found.heads.named(0, 0) == "previous token") == copies


@pytest.mark.slow
def test_the_shipped_model_is_as_an_independent_computation_found_it(shakespeare: Corpus) -> None:
    """The bands are that computation's values, from the weights alone (cuts 1.09, 0.349, 0.012; sets 1.95, 0.666, 0.370,
    0.001), and both computations' errors."""
    checkpoint = load(Path(__file__).parents[2] / "trained_models" / "shakespeare_char_model")
    text = passages(tokenized(shakespeare.val, checkpoint.known_vocabulary), 128, 48)
    cost = effective_context.cost_of_cuts(checkpoint.model, text, most_tokens=50_000, lengths=(1, 3, 16)).cost
    cost = cost.mean("window")
    for length, low, high in ((1, 0.9, 1.28), (3, 0.25, 0.45), (16, -0.04, 0.06)):
        assert low < float(cost.sel(context=length).values) < high, length
    config, previous = (
        checkpoint.model.config,
        tuple(Site("z", layer, head=head) for layer, head in ((0, 1), (0, 4), (0, 5), (1, 5), (2, 0))),
    )
    layers = component_ablation.layers_of_heads(config)
    wanted = {name: layers[name] for name in ("heads of L0", "heads above L0")}
    sets = wanted | {"previous": previous, "one of them": previous[:1]}
    found = component_ablation.cost_without(checkpoint.model, text[1::2], sets, text[0::2].tokens).mean("window")
    for name, low, high in (
        ("heads of L0", 1.6, 2.3),
        ("heads above L0", 0.5, 0.82),
        ("previous", 0.27, 0.47),
        ("one of them", -0.02, 0.02),
    ):
        assert low < float(found.sel(set=name).values) < high, name


def test_names_of_folders_say_which_model(tmp_path: Path) -> None:
    checkpoint = _checkpoint()
    assert look_files.folder_name(checkpoint, tmp_path / "out-mine" / "ckpt.pt") == "out-mine-01234567"
    assert look_files.folder_name(checkpoint, tmp_path / "shakespeare" / "final") == "shakespeare-01234567"
    assert look_files.folder_name(checkpoint, tmp_path / "shakespeare-cpu-1") == "shakespeare-cpu-1-01234567"


def test_the_loss_is_that_of_the_windows(seen: tuple[Look, list[tuple[str, int, int]]]) -> None:
    found, _ = seen
    assert found.loss.labels("predictor") == ("model", "1-gram", "2-gram", "3-gram", "4-gram", "5-gram")
    assert found.loss.values.shape == (6, found.windows)
