"""Heads ablated alone, by class, by layer and together: slow twins, what is answered, and the text on which copying pays."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import LETTERS, random_model

from nanoscope.analysis.causal import head_ablation
from nanoscope.analysis.prediction import position_loss
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.result import load_result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads import groups
from nanoscope.experiments.heads.ablation import ablation, own_text
from nanoscope.experiments.heads.judge import previous_token_heads_needed
from nanoscope.experiments.heads.label import ALL_CLASSES
from nanoscope.experiments.heads.setting import Params, Setting, setting_of
from nanoscope.interventions.edits import mean
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.statistics.intervals import mean_interval
from nanoscope.tasks import metrics
from nanoscope.text.corpora import Corpus
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.training.own_text import with_copied_spans

TEXT = "the cat sat on the mat, and the dog lay on the rug.\nwhere is the hat?\n" * 120
FEW = Params(windows=6, sequences=2, random_sets=4)
SIZE = 48
PUBLISHED = Path(__file__).parents[2] / "results" / "results"


def _setting(model: GPT | None = None, **training: str) -> Setting:
    corpus = Corpus("cats", TEXT)
    model = model or random_model(vocab_size=len(corpus.vocabulary), block_size=SIZE, n_head=4, n_layer=2)
    return setting_of(Subject(Checkpoint(model, corpus.vocabulary, training=training), corpus, "a model"), FEW)


def _without(model: GPT, text: Passages, heads: groups.Heads) -> np.ndarray:
    """One run with all edits: the slow twin, `[window]`."""
    cache = run(model, text[0::2].tokens, keep=["z"]).cache
    read = text[1::2]
    logits = run(model, read.tokens, [mean(Site("z", layer, head=head), cache) for layer, head in heads]).logits
    losses = -metrics.chosen(metrics.log_probs(logits), read.targets).double().numpy()
    return losses.mean(1) - position_loss.of_model(model, read).mean(1)


def test_every_group_costs_what_a_run_without_it_does() -> None:
    """Two previous-token heads in the first layer and one in the second; three newline heads, which leave too few others."""
    s = _setting()
    previous, newline = (ALL_CLASSES.index(name) for name in ("previous token", "newline"))
    label = np.array([[previous, previous, -1, -1], [newline, newline, newline, previous]])
    found = ablation(s, label)
    sweeps = {**found, "label": Sweep(label, ("layer", "head"), "class")}
    costs = {one.name: one for one in groups.costs(sweeps)}
    assert list(costs) == ["previous token", "newline", "heads of L0", "heads of L1", "all heads"]
    assert costs["previous token"].heads == ((0, 0), (0, 1), (1, 3))
    assert costs["all heads"].heads == tuple(product(range(2), range(4)))
    text = own_text(s)
    for one in costs.values():
        np.testing.assert_allclose(one.together, _without(s.model, text, one.heads), atol=1e-4)
        alone = sum(_without(s.model, text, (head,)).mean() for head in one.heads)
        assert one.apart == pytest.approx(alone, abs=1e-4)
    np.testing.assert_allclose(groups.singles(sweeps)[1, 2], _without(s.model, text, ((1, 2),)), atol=1e-4)
    others = sorted(one.tolist() for one in costs["previous token"].others)
    sets = [((0, 2), (0, 3), (1, head)) for head in range(3)]
    np.testing.assert_allclose(others, sorted(_without(s.model, text, one).tolist() for one in sets), atol=1e-4)
    assert costs["newline"].others.shape[0] == 0, "one other head is not as many as three"


def test_layers_are_grouped_without_a_group_twice() -> None:
    names = {n: list(groups.by_layer(np.full((n, 2), -1))) for n in (1, 2, 3, 4)}
    assert names[1] == ["heads of L0"]
    assert names[2] == ["heads of L0", "heads of L1", "all heads"]
    assert names[3] == [*(f"heads of L{n}" for n in range(3)), "heads above L0", "all heads"]
    assert names[4][4:6] == ["heads above L0", "heads above L1"]
    for n in names:
        sets = list(groups.by_layer(np.full((n, 2), -1)).values())
        assert len(set(sets)) == len(sets)


def test_as_many_others_are_as_many_or_none() -> None:
    model = random_model(n_head=4, n_layer=2)
    assert head_ablation.of_same_size(model, ((0, 0), (0, 1)), 5, "test") == [((0, 2), (0, 3))]
    assert head_ablation.of_same_size(model, ((0, 0), (0, 1), (0, 2)), 5, "test") == []
    assert len(head_ablation.of_same_size(model, ((0, 0), (1, 1)), 5, "test")) == 5


def _sweeps(together: float, apart: tuple[float, float], others: tuple[float, ...]) -> dict[str, Sweep]:
    """Two previous-token heads of four in one layer, twelve windows."""
    noise = 0.01 * np.linspace(-1, 1, 12)
    label = np.array([[0, 0, -1, -1]])
    sets = {
        "L0H0": apart[0],
        "L0H1": apart[1],
        "L0H2": 0.0,
        "L0H3": 0.0,
        "previous token": together,
        "heads of L0": 1.0,
    }
    rows = np.array([value + noise for value in sets.values()])
    beside = np.full((1, 3, 12), np.nan)
    for i, value in enumerate(others):
        beside[0, i] = value - noise
    return {
        "label": Sweep(label, ("layer", "head"), "class"),
        "costs": Sweep(rows, ("set", "window"), "nats", {"set": tuple(sets)}),
        "others": Sweep(beside, ("cls", "draw", "window"), "nats", {"cls": ("previous token",)}),
    }


def test_what_previous_token_heads_are_worth_is_beyond_as_many_others() -> None:
    """Alone they cost nothing, together 0.5; the others cost 0.1 and 0.2."""
    evidence = previous_token_heads_needed(_sweeps(0.5, (0.01, -0.01), (0.1, 0.2)))
    assert evidence.value == pytest.approx(0.35)
    assert evidence.null == pytest.approx(0.15)
    assert evidence.interval == pytest.approx(
        mean_interval(0.35 + 0.02 * np.linspace(-1, 1, 12), "previous-token heads needed"), abs=1e-9
    )
    assert evidence.facts["heads"] == ("L0H0", "L0H1")
    shown = {name: evidence.facts[name] for name in ("together", "apart", "sets", "worst")}
    assert shown == pytest.approx({"together": 0.5, "apart": 0.0, "sets": 2, "worst": 0.2})


def test_the_claim_fails_where_others_cost_as_much_and_is_not_asked_where_there_is_nothing_to_ask() -> None:
    assert previous_token_heads_needed(_sweeps(0.5, (0.0, 0.0), (0.5, 0.5))).interval[1] < 0.1
    none_left = previous_token_heads_needed(_sweeps(0.5, (0.0, 0.0), ()))
    assert (none_left.why, none_left.instead) == (
        "their layers have too few other heads to compare with",
        "not applicable",
    )
    sweeps = _sweeps(0.5, (0.0, 0.0), (0.1,))
    classless = {**sweeps, "label": replace(sweeps["label"], values=np.full((1, 4), -1))}
    assert previous_token_heads_needed(classless).why == "no head is a previous-token head"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no study is published in results/ yet")
def test_results_of_older_versions_tell_their_classes_and_no_sums() -> None:
    stored = [load_result(path.parent) for path in sorted(PUBLISHED.glob("heads-*/result.json"))]
    older = [result for result in stored if result.identity["version"] < 4]
    for result in older:
        costs = groups.costs(result.sweeps)
        assert [one.name for one in costs] == list(result["ablation"].labels("cls"))
        assert all(math.isnan(one.apart) and one.together.ndim == 1 and len(one.others) <= 1 for one in costs)
        assert "apart" not in previous_token_heads_needed(result.sweeps).facts


def test_own_text_holds_a_span_and_its_copy_in_every_window() -> None:
    """Read off: where text was overwritten, a run of at least twelve symbols stands twice."""
    vocabulary = Vocabulary.of(TEXT)
    plain = passages(tokenized(TEXT, vocabulary), SIZE, 12)
    made = with_copied_spans(plain, len(vocabulary), 0)
    assert (made.tokens == made.text[:, :-1]).all()
    assert not (made.text == plain.text).all()
    for row, before in zip(made.text.tolist(), plain.text.tolist(), strict=True):
        changed = [i for i, (a, b) in enumerate(zip(row, before, strict=True)) if a != b]
        runs = {tuple(row[i : i + 12]) for i in range(len(row) - 11)}
        twice = [one for one in runs if sum(row[i : i + 12] == list(one) for i in range(len(row) - 11)) > 1]
        assert twice
        assert changed
    again = with_copied_spans(plain, len(vocabulary), 0)
    assert (again.text == made.text).all()


def test_copying_heads_cost_where_copying_pays() -> None:
    """The hand-built induction model on random letters and, if it says that it was trained to copy, on copied spans."""
    letters = "".join(np.random.default_rng(0).choice(list(LETTERS.symbols), 9000))
    model = planted_induction(LETTERS, Planted(context=64)).model
    label = np.array([[-1, -1], [ALL_CLASSES.index("induction"), -1]])
    lost = {}
    for data in ("text", "echo"):
        subject = Subject(Checkpoint(model, LETTERS, training={"data": data}), Corpus("letters", letters), "planted")
        sweeps = {**ablation(setting_of(subject, FEW), label), "label": Sweep(label, ("layer", "head"), "class")}
        cost = groups.of_class(sweeps, "induction")
        assert cost is not None
        lost[data] = cost.together.mean()
    assert lost["echo"] > lost["text"] + 0.5, "outside of the copied span a copy is wrong in both"
