"""Emergence and evolution over trainings: planted courses of trainings, and what is said of them."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_model
from reference import longest_match
from torch.nn import functional as F
from toys.claim_texts import published, texts

from nanoscope.analysis.prediction import text_loss
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.emergence.events import INDUCTION, gap_of_tables
from nanoscope.experiments.emergence.judge import factor_of_change, gain_from_longer_context, gain_in_repeated_passages
from nanoscope.experiments.evolution.judge import (
    abrupt_trainings,
    bigram_table_first,
    deviation_of_timing,
    previous_token_head_first,
)
from nanoscope.experiments.experiment import Group, Subject
from nanoscope.experiments.runner import run_comparison, run_experiment
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.plots.quality import checklist
from nanoscope.statistics.intervals import share_interval
from nanoscope.studies.presets import STUDIES, only
from nanoscope.text.corpora import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 700, 800, 900, 1000)
X = np.log1p(np.array(STEPS, dtype=float))
EMERGENCE, EVOLUTION, SNAPSHOT = (open_experiment(name) for name in ("emergence", "evolution", "snapshot"))


def _model(layers: int, symbols: int) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(layers, n_head=2, n_embd=16, block_size=48, vocab_size=symbols)).eval().requires_grad_(False)


def _sigmoid(midpoint: float, width: float = 0.1) -> np.ndarray:
    return 1 / (1 + np.exp(-(X - math.log1p(midpoint)) / width))


def _training(name: str, previous: float, induction: float | None, seed: int = 0) -> tuple[Result, ...]:
    """Snapshots of a training whose heads L0H1 and L1H0 form at known steps, with noise between examples."""
    rng = np.random.default_rng(seed)
    told = []
    for i, step in enumerate(STEPS):
        heads = 0.02 * rng.standard_normal((2, 2, 2, 2, 12))
        heads[:, 1, 0, 1] += 0.9 * _sigmoid(previous)[i]
        heads[:, 0, 1, 0] += 0.0 if induction is None else 0.8 * _sigmoid(induction)[i]
        gain = 0.0 if induction is None else 2.0 * _sigmoid(induction)[i]
        behaviour = 0.05 * rng.standard_normal((2, 2, 24)) + np.array([[[0.0], [0.0]], [[gain], [0.0]]])
        distances = [abs(X[i] - math.log1p(at)) + 0.1 for at in (8, 32, 256, 900, 1000)]
        text = np.stack(
            [np.full(10, 3 - 0.2 * X[i]), np.zeros(10), np.ones(10), np.ones(10), *(np.full(10, d) for d in distances)]
        )
        named = {"length": (5, 7), "score": ("induction", "previous")}
        axes = ("length", "score", "layer", "head")
        quantities = (*text_loss.WAYS, *(f"{n}-gram" for n in range(1, 6)))
        sweeps = {
            "heads": Sweep(heads, (*axes, "example"), "share", named),
            "heads_select": Sweep(heads.mean(-1), axes, "share", named),
            "copying": Sweep(np.zeros((2, 2)), ("layer", "head"), "score"),
            "behaviour": Sweep(behaviour, ("measure", "run", "example"), "nats",
                               {"measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}),
            "text": Sweep(text, ("quantity", "window"), "nats", {"quantity": quantities}),
            **_readings(10, longer=0.0, repeated=3 - 0.2 * X[i], new=3 - 0.2 * X[i]),
        }  # fmt: skip
        told.append(
            Result(
                "snapshot", {"of": name, "step": step}, StoredSubject(name, step=step, training={"step": step}), sweeps
            )
        )
    return tuple(told)


def _readings(windows: int, longer: float, repeated: float, new: float) -> dict[str, Sweep]:
    """Held-out text of which this is read, beside tables of losses 4, 3, 2 and 1 in new and in repeated passages."""
    rows = np.tile(np.array([[-0.1], [longer], [repeated], [new]]), (1, windows))
    tables = np.tile(np.array([4.0, 3.0, 2.0, 1.0])[:, None, None], (1, 2, windows))
    coords = {"order": (0, 1, 2, 3), "kind": ("repeated", "new")}
    return {
        "held_out": Sweep(rows, ("quantity", "window"), "nats", {"quantity": text_loss.CONTROLLED}),
        "tables": Sweep(tables, ("order", "kind", "window"), "nats", coords),
    }


def _emergence(name: str, folder: Path, previous: float, induction: float | None, seed: int = 0) -> Result:
    shots = _training(name, previous, induction, seed)
    return run_comparison(EMERGENCE, Group(name, "model", shots[::-1]), EMERGENCE.params(), folder)


def test_planted_events_are_found_in_their_order(tmp_path: Path) -> None:
    result = _emergence("a training", tmp_path, previous=100, induction=500)
    events = result["events"]
    for event, at in (("previous-token head", 100), ("induction head", 500), ("copying", 500)):
        step, low, high = (float(events.sel(event=event, part=part).values) for part in ("step", "low", "high"))
        assert low <= step <= high
        assert abs(math.log((step + 1) / (at + 1))) < 0.2, event
    assert float(events.sel(event="least distance to 2-grams", part="step").values) == 32
    assert math.isnan(float(events.sel(event="repeated passages", part="step").values))
    verdicts = {finding.id.split(".")[1]: finding.verdict for finding in result.findings}
    assert verdicts == {"forms": "supported", "icl": "not supported", "repeated": "not supported"}
    for draw in EMERGENCE.figures.values():
        assert all(checklist(draw(result)).values())


def test_a_training_without_an_induction_head_has_no_such_event(tmp_path: Path) -> None:
    result = _emergence("a training", tmp_path, previous=100, induction=None)
    assert result.finding("emergence.forms").verdict == "not supported"
    assert factor_of_change(INDUCTION, result.sweeps).instead == "not applicable"
    assert math.isnan(float(result["events"].sel(event="induction head", part="step").values))
    steps = [step for _, step in result.finding("emergence.repeated").evidence.facts["events"]]
    assert len(steps) == 5
    assert steps == sorted(steps)


def test_trainings_that_go_the_same_way_are_said_to(tmp_path: Path) -> None:
    """Six that share their order, with midpoints a sixteenth of an octave apart; and six whose heads form at any time."""
    alike = [_emergence(f"seed {i}", tmp_path, 600 * 2 ** (0.06 * i), 900, i) for i in range(6)]
    result = run_comparison(EVOLUTION, Group("alike", "seeds", tuple(alike)), EVOLUTION.params(), tmp_path)
    assert {f.id: f.verdict for f in result.findings} == dict.fromkeys(
        [claim.id for claim in EVOLUTION.claims], "supported"
    )
    spread = result.finding("evolution.timing").evidence.value
    assert spread == pytest.approx(np.std([0.06 * i for i in range(6)], ddof=1), abs=0.06)
    for draw in EVOLUTION.figures.values():
        assert all(checklist(draw(result)).values())
    apart = [_emergence(f"other seed {i}", tmp_path, at, None, i) for i, at in enumerate((12, 30, 90, 300, 600, 60))]
    result = run_comparison(EVOLUTION, Group("apart", "seeds", tuple(apart)), EVOLUTION.params(), tmp_path)
    assert result.finding("evolution.timing").verdict == "not supported"
    assert previous_token_head_first(result.sweeps).instead == "not applicable"
    assert bigram_table_first(result.sweeps).value == pytest.approx(4 / 6)
    mixed = run_comparison(EVOLUTION, Group("mixed", "seeds", (alike[0], *apart)), EVOLUTION.params(), tmp_path)
    both = previous_token_head_first(mixed.sweeps)
    assert (both.value, both.n, both.facts) == (1.0, 1, {"count": 1, "all": 7})


def _events(**steps: tuple[float, ...]) -> dict[str, Sweep]:
    """What evolution judges, of four trainings: `bigram`, `previous` and `copying` happen at these steps."""
    names = {"bigram": "least distance to 2-grams", "previous": "previous-token head", "copying": "copying"}
    factors, better = (2.0, 3.5, 2.0, math.nan), (20.0, 20.0, 5.0, math.nan)
    rows = [np.stack([steps.get(name, (math.nan,) * 4), factors, better]) for name in names]
    coords = {"event": tuple(names.values()), "part": ("step", "factor", "better")}
    return {"events": Sweep(np.moveaxis(np.array(rows), -1, 0), ("training", "event", "part"), "steps", coords)}


def test_counts_and_the_spread_of_four_trainings_worked_by_hand() -> None:
    sweeps = _events(bigram=(8, 64, 8, 8), previous=(16, 32, 64, math.nan), copying=(math.nan, 64, 32, 9))
    stages = bigram_table_first(sweeps)
    assert (stages.value, stages.n, stages.interval) == (2 / 3, 3, share_interval(2, 3))
    assert stages.facts == {"count": 2, "all": 4}
    assert (previous_token_head_first(sweeps).value, previous_token_head_first(sweeps).n) == (0.5, 2)
    assert (abrupt_trainings(sweeps).value, abrupt_trainings(sweeps).n) == (1 / 3, 3)
    timing = deviation_of_timing(sweeps)
    assert (timing.value, timing.n, timing.facts["midpoints"]) == (1.0, 3, (16, 32, 64))
    none = _events(bigram=(8, 8, 8, 8), previous=(math.nan,) * 4, copying=(9, 9, 9, 9))
    assert bigram_table_first(none).why == abrupt_trainings(none).why == "no training forms a previous-token head"
    assert (previous_token_head_first(none).n, deviation_of_timing(none).facts["midpoints"]) == (0, ())


def test_every_claim_of_evolution_is_said_under_every_verdict() -> None:
    result = published("evolution", "the echo controls")
    for claim in EVOLUTION.claims:
        assert len(set(texts(claim, result).values())) == 4, claim.id


def test_too_few_checkpoints_or_trainings_are_refused(tmp_path: Path) -> None:
    shots = _training("short", 100, 500)
    with pytest.raises(NanoscopeError, match="short has 3 checkpoints of its training; emergence takes at least 6"):
        run_comparison(EMERGENCE, Group("short", "model", shots[:3]), EMERGENCE.params(), tmp_path)
    one = _emergence("seed 1", tmp_path, 100, 500)
    with pytest.raises(NanoscopeError, match="at least 2 trainings, not 1"):
        run_comparison(EVOLUTION, Group("one", "seeds", (one,)), EVOLUTION.params(), tmp_path)


def test_readings_of_text_are_those_of_a_plain_loop(shakespeare: Corpus) -> None:
    """The slow twin: place by place, with the loss, the longest earlier match and the table's distribution anew."""
    vocabulary = shakespeare.vocabulary
    tokens = vocabulary.encode(shakespeare.text[:60_000])
    model = _model(1, len(vocabulary))
    tables = NGrams.fit(tokens[:40_000].numpy(), len(vocabulary), 3)
    some = passages(tokenized(shakespeare.text[40_000:60_000], vocabulary), 48, 7, text_loss.EARLIEST)
    found = text_loss.over_text(model, text_loss.TextMaterial.of(some, tables)).mean("window")
    losses: dict[str, list[float]] = {name: [] for name in ("loss", "repeated", "new", "2-gram")}
    for window in some.text:
        logits = model(window[None, :-1])[0]
        match = longest_match(window[:-1], 5)[0]
        for place in range(text_loss.EARLIEST, len(window) - 1):
            loss = F.cross_entropy(logits[place], window[place + 1]).item()
            losses["loss"].append(loss)
            if match[place] >= 5 or match[place] <= 1:
                losses["repeated" if match[place] >= 5 else "new"].append(loss)
            p = torch.from_numpy(tables.distribution(window[: place + 1].numpy())[1, -1])
            losses["2-gram"].append(float((p * (p.log() - logits[place].double().log_softmax(-1))).sum()))
    for name, values in losses.items():
        expected = float(np.mean(values)) if values else math.nan
        assert float(found.sel(quantity=name).values) == pytest.approx(expected, abs=1e-5, nan_ok=True), name


def test_controlled_readings_are_those_of_a_plain_loop(shakespeare: Corpus) -> None:
    """The slow twin: late places with the whole window before them and with as little as early ones have."""
    vocabulary = shakespeare.vocabulary
    model = random_model(block_size=48, vocab_size=len(vocabulary))
    tables = NGrams.fit(vocabulary.encode(shakespeare.text[:40_000]).numpy(), len(vocabulary), 2)
    some = passages(tokenized(shakespeare.text[40_000:60_000], vocabulary), 48, 7, text_loss.EARLIEST)
    material = text_loss.TextMaterial.of(some, tables)
    found, known = text_loss.held_out(model, material), text_loss.of_tables(material)
    kinds: dict[str, list[float]] = {"repeated": [], "new": []}
    for w, window in enumerate(some.text):
        late, early, cut = ([] for _ in range(3))
        match = longest_match(window[:-1], 5)[0]
        logits = model(window[None, :-1])[0]
        for place in range(42, 48):
            short = window[place - 16 - (place - 42) : place + 1]
            late.append(F.cross_entropy(logits[place], window[place + 1]).item())
            cut.append(F.cross_entropy(model(short[None])[0, -1], window[place + 1]).item())
        early = [F.cross_entropy(logits[place], window[place + 1]).item() for place in range(16, 22)]
        assert found.sel(quantity="longer context").values[w] == pytest.approx(np.mean(cut) - np.mean(late), abs=1e-4)
        assert found.sel(quantity="in-context").values[w] == pytest.approx(np.mean(late) - np.mean(early), abs=1e-4)
        for place in range(16, 48):
            if match[place] >= 5 or match[place] <= 1:
                p = tables.prob(window[: place + 2].numpy())[1, -1]
                kinds["repeated" if match[place] >= 5 else "new"].append(float(-np.log(p)))
    for kind, losses in kinds.items():
        assert float(known.sel(order=2, kind=kind).values.mean()) == pytest.approx(np.mean(losses))
        assert float(known.sel(order=0, kind=kind).values.mean()) == pytest.approx(np.log(len(vocabulary)))


def test_a_model_that_copies_gains_by_a_longer_context_and_one_that_cannot_look_back_does_not() -> None:
    """A text whose windows end in what they began with: late places can be copied from before the cut."""
    vocabulary = Vocabulary(tuple("abcdefghijklmnopqrstuvwxyz"))
    rng = np.random.default_rng(0)
    rows = [np.concatenate([begin := rng.permutation(26)[:12], rng.choice(26, 26), begin]) for _ in range(30)]
    copier = planted_induction(vocabulary, Planted(context=51))
    text = passages(tokenized("".join(vocabulary.symbols[i] for row in rows for i in row), vocabulary), 50, 30, 16)
    text = replace(text, tokens=torch.cat([torch.full((len(text), 1), 26), text.text[:, :-1]], dim=1), lead=1)
    material = text_loss.TextMaterial.of(text, NGrams.fit(np.arange(26), 27, 2))
    worth = text_loss.held_out(copier.model, material).sel(quantity="longer context").values
    assert worth.mean() > 1
    for block in copier.model.blocks:
        block.attn.W_O.zero_()
    blind = text_loss.held_out(copier.model, material).sel(quantity="longer context").values
    assert np.abs(blind).max() < 1e-5


def test_a_table_without_memory_gains_nothing_beyond_a_table() -> None:
    """Repeated passages are harder for every good table. Whoever is as good as one, or in between two, gains nothing."""
    new, repeated = np.array([4.2, 3.0, 2.0, 1.6]), np.array([4.2, 3.1, 2.2, 1.9])
    assert gap_of_tables(np.array([4.2, 2.0, 2.5, 1.2, 5.0]), repeated, new) == pytest.approx([0, -0.2, -0.15, -0.3, 0])
    own = gap_of_tables(new, repeated, new)
    assert own == pytest.approx(new - repeated)


@pytest.mark.parametrize(
    ("longer", "repeated", "verdicts"),
    [
        (0.05, 1.5, {"icl": "supported", "repeated": "supported"}),
        (0.0, 2.2, {"icl": "not supported", "repeated": "not supported"}),
        (-0.1, 3.0, {"icl": "not supported", "repeated": "not supported"}),
    ],
)
def test_claims_about_context_and_memory_at_the_end_of_a_training(
    longer: float, repeated: float, verdicts: dict[str, str], tmp_path: Path
) -> None:
    """The last checkpoint reads new passages at 2 nats; a table as good reads repeated ones at 2 nats, too."""
    shots = list(_training("a training", 100, 500))
    shots[-1] = replace(shots[-1], sweeps={**shots[-1].sweeps, **_readings(10, longer, repeated, 2.0)})
    result = run_comparison(EMERGENCE, Group("a training", "model", tuple(shots)), EMERGENCE.params(), tmp_path)
    for name, verdict in verdicts.items():
        assert result.finding(f"emergence.{name}").verdict == verdict
    found = gain_in_repeated_passages(result.sweeps)
    assert (found.value, found.facts["model"], found.facts["table"]) == pytest.approx((2 - repeated, 2 - repeated, 0.0))
    assert gain_from_longer_context(result.sweeps).value == pytest.approx(longer)


def test_a_snapshot_of_a_real_checkpoint_and_its_refusal(shakespeare: Corpus, tmp_path: Path) -> None:
    vocabulary = shakespeare.vocabulary
    model = _model(2, len(vocabulary))
    corpus = Corpus("excerpt", shakespeare.text[:120_000])
    told = {"step": 0}
    checkpoint = Checkpoint(model, Vocabulary.of(shakespeare.text), "excerpt", told)
    result = run_experiment(SNAPSHOT, Subject(checkpoint, corpus, "a model"), Snapshot(2, 1, 4, 2000), tmp_path)
    assert result["heads"].dims == ("length", "score", "layer", "head", "example")
    assert np.isfinite(result["copying"].values).all()
    with pytest.raises(NanoscopeError, match="this checkpoint has no vocabulary"):
        run_experiment(
            SNAPSHOT, Subject(replace(checkpoint, vocabulary=None), corpus, "x"), Snapshot(2, 1, 5, 2000), tmp_path
        )


def test_a_part_of_a_study_compares_what_is_left() -> None:
    part = only(STUDIES["published"], 2, ("text-", "echo-", "dose-"))
    names = {member.name for member in part.members}
    models = {"shakespeare-1", "shakespeare-cpu-1", "shakespeare-cpu-2"}
    assert names == models | {"control-1", "control-2", "planted", "code-1"}
    assert all(set(one.members) <= names and len(one.members) == 2 for one in part.comparisons)
