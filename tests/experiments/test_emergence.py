"""Emergence over trainings whose course is known: a planted circuit that is switched on, rises in two steps, the command."""

import math
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys.claim_texts import published, texts

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.emergence.events import INDUCTION, PREVIOUS, Curve, Event, events
from nanoscope.experiments.emergence.judge import OLDER, delay_of_induction, factor_of_change, final_score
from nanoscope.experiments.emergence.measure import Params, measure
from nanoscope.experiments.emergence.page import values
from nanoscope.experiments.experiment import Group, Subject
from nanoscope.experiments.runner import describe
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.statistics.change_points import change, crossing
from nanoscope.text.corpora import Corpus
from nanoscope.training.loop import checkpoints, train
from nanoscope.training.recipe import Machine, Recipe

STEPS = (0, *(2**k for k in range(9)), *range(300, 1501, 60))
X = np.log1p(np.array(STEPS, dtype=float))
SHOT = open_experiment("snapshot")
EMERGENCE = open_experiment("emergence")


def _logistic(midpoint: float, width: float = 0.1) -> np.ndarray:
    return 1 / (1 + np.exp(-(X - math.log1p(midpoint)) / width))


# ---- when a planted circuit is switched on ---------------------------------------------------------------------------


def _partly(planted: Checkpoint, previous: float, induction: float) -> Checkpoint:
    """The planted model with the queries of its two heads scaled: at 0 they attend uniformly, at 1 they are themselves."""
    model = GPT(planted.model.config).eval().requires_grad_(False)
    model.load_state_dict(planted.model.state_dict())
    for block, share in zip(model.blocks, (previous, induction), strict=True):
        block.attn.W_Q.mul_(share)
    return replace(planted, model=model)


def _plain_score(model: GPT, symbols: int, start: int, back: int, seed: int) -> float:
    """Attention to the place `back` before the query, query by query, in `[start][block][block]`, above uniform."""
    length, rng = 17, np.random.default_rng(seed)
    found = []
    for _ in range(4):
        block = rng.choice(symbols, length, replace=False)
        kept = _patterns(model, torch.tensor([[start, *block, *block]]))[0 if back == 1 else 1][0, 0]
        for query in range(1 + length, 1 + 2 * length):
            key = query - back if back == 1 else query - length + 1
            uniform = 1 / (query + 1)
            found.append((float(kept[query, key]) - uniform) / (1 - uniform))
    return float(np.mean(found))


def _patterns(model: GPT, tokens: torch.Tensor) -> torch.Tensor:
    from nanoscope.interventions.run import run

    return run(model, tokens, keep=["pattern"]).cache.layers("pattern")


def _half(planted: Checkpoint, back: int) -> float:
    """At which share of its queries' strength a head scores half of what it does at full strength; by bisection."""
    vocabulary = planted.vocabulary
    assert vocabulary is not None
    assert vocabulary.start is not None

    def score(share: float) -> float:
        model = _partly(planted, share if back == 1 else 1.0, share).model
        return _plain_score(model, len(vocabulary) - 1, vocabulary.start or 0, back, seed=5)

    low, high, aim = 0.0, 1.0, 0.5 * score(1.0)
    for _ in range(9):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) < aim else (low, middle)
    return (low + high) / 2


@pytest.fixture(scope="module")
def switched(shakespeare: Corpus) -> tuple[Checkpoint, tuple[Result, ...]]:
    """Snapshots of a planted model whose previous-token head comes up around iteration 100, its induction head at 600."""
    planted = planted_induction(shakespeare.vocabulary, Planted(context=49))
    corpus = Corpus("excerpt", shakespeare.text[:150_000])
    shots = []
    for step, previous, induction in zip(STEPS, _logistic(100), _logistic(600), strict=True):
        checkpoint = replace(_partly(planted, previous, induction), training={"step": step})
        subject = Subject(checkpoint, corpus, "planted", "planted")
        sweeps = SHOT.measure(subject, Snapshot(sequences=4, lengths=1, windows=4, held_out=400))
        shots.append(Result("snapshot", {"step": step}, describe(subject), sweeps))
    return planted, tuple(shots)


def test_the_change_point_is_where_a_plain_evaluation_puts_it(switched: tuple[Checkpoint, tuple[Result, ...]]) -> None:
    """Predicted from the strength at which each head is half formed, which is found with neither snapshots nor fits."""
    planted, shots = switched
    sweeps = measure(Group("planted", "planted", shots[::-1]), Params())
    assert sweeps["names"].labels("score") == ("L1H0", "L0H0")
    for event, back, at in (("previous-token head", 1, 100), ("induction head", 17, 600)):
        share = _half(planted, back)
        predicted = math.log1p(at) + 0.1 * math.log(share / (1 - share))
        found = float(sweeps["events"].sel(event=event, part="step").values)
        apart = np.diff(X)[np.searchsorted(X, predicted) - 1]
        assert abs(math.log1p(found) - predicted) < 0.6 * apart, event
    copying = float(sweeps["events"].sel(event="copying", part="step").values)
    assert copying > float(sweeps["events"].sel(event="previous-token head", part="step").values)


@pytest.mark.parametrize(
    ("previous", "verdict"),
    [("first", "supported"), ("last", "not supported"), ("together", "straddles the criterion")],
)
def test_which_head_is_first_is_read_off_their_courses(
    switched: tuple[Checkpoint, tuple[Result, ...]], previous: str, verdict: str
) -> None:
    """Both heads' scores as measured, the other way round, and both taking one course on different sequences."""
    _, shots = switched
    sweeps = measure(Group("planted", "planted", tuple(_taking(shot, previous) for shot in shots)), Params())
    assert sweeps["names"].labels("score") == ("L1H0", "L0H0")
    assert min(final_score(head, sweeps).interval[0] for head in (INDUCTION, PREVIOUS)) >= 0.3
    assert Criterion(">=", 1.0).verdict(*delay_of_induction(sweeps).interval) == verdict


def _taking(shot: Result, previous: str) -> Result:
    """The snapshot with the scores of the induction head `L1H0` and the previous-token head `L0H0` exchanged or alike."""
    sweeps = dict(shot.sweeps)
    for name in ("heads", "heads_select"):
        old = sweeps[name]
        values = old.values.copy()
        induction, before = old.values[:, 0, 1, 0], old.values[:, 1, 0, 0]
        if previous == "last":
            values[:, 0, 1, 0], values[:, 1, 0, 0] = before, induction
        if previous == "together":
            values[:, 1, 0, 0] = np.roll(induction, 1, axis=-1) if induction.ndim > 1 else induction
        sweeps[name] = Sweep(values, old.dims, old.unit, old.coords)
    return replace(shot, sweeps=sweeps)


def test_without_an_induction_head_the_previous_token_head_is_sought_in_all_layers(
    switched: tuple[Checkpoint, tuple[Result, ...]],
) -> None:
    """The scores of both layers exchanged, and no induction: the head is found in the last layer, and not below."""
    _, shots = switched
    changed = []
    for shot in shots:
        sweeps = dict(shot.sweeps)
        for name in ("heads", "heads_select"):
            values = sweeps[name].values[:, :, ::-1].copy()
            values[:, 0] *= 0.1
            sweeps[name] = Sweep(values, sweeps[name].dims, sweeps[name].unit, sweeps[name].coords)
        changed.append(replace(shot, sweeps=sweeps))
    sweeps = measure(Group("planted", "planted", tuple(changed)), Params())
    assert sweeps["names"].labels("score")[1] == "L1H0"
    said = {finding.id: finding.verdict for finding in EMERGENCE.judge(sweeps)}
    assert said["emergence.forms"] == "not supported"
    assert final_score(PREVIOUS, sweeps).interval[0] >= 0.3
    assert delay_of_induction(sweeps).instead == factor_of_change(INDUCTION, sweeps).instead == "not applicable"


# ---- how abruptly ----------------------------------------------------------------------------------------------------


def _event(values: np.ndarray, name: str) -> Event:
    """What is found of one head whose score takes this course, the others staying flat."""
    noise = 0.01 * np.random.default_rng(0).standard_normal((200, len(X)))
    flat = Curve(np.zeros(len(X)), noise, 8)
    names = ("induction head", "previous-token head", "copying", "in-context learning", "repeated passages")
    found = dict.fromkeys(names, flat) | {name: Curve(values, values + noise, 8)}
    return Event.stored(events(found, STEPS), name)


def test_a_rise_in_two_steps_is_not_abrupt() -> None:
    """As the echo control's previous-token head goes: a steep logistic fits the second step and beats line and power law."""
    twice = 0.4 * _logistic(60, 0.2) + 0.5 * _logistic(900, 0.03)
    once = 0.9 * _logistic(900, 0.03)
    said, plain = _event(twice, "previous-token head"), _event(once, "previous-token head")
    assert said.better > 10
    assert said.factor_low > 3
    assert plain.better > 10
    assert plain.factor_high < 3
    assert plain.low <= plain.step <= plain.high


def test_what_stays_flat_has_no_event() -> None:
    assert all(math.isnan(value) for value in astuple(_event(np.full(len(X), 0.2), "previous-token head")))
    assert all(math.isnan(value) for value in astuple(_event(0.09 * _logistic(500), "copying")))
    assert _event(0.2 * _logistic(500), "copying").happens


def test_midpoints_lie_between_the_grids_points() -> None:
    """Without noise every midpoint is found to a thousandth; the grid alone is thirty times as coarse."""
    dense = np.arange(0, 2001, 10.0)
    x, wanted = np.log1p(dense), np.linspace(400, 1100, 30)
    curves = 1 / (1 + np.exp(-(x - np.log1p(wanted)[:, None]) / 0.08))
    found = change(curves, dense)
    assert np.abs(found.midpoint / wanted - 1).max() < 2e-3
    assert np.abs(np.log(found.factor) / (2 * np.log(9) * 0.08) - 1).max() < 0.02


def test_crossings_worked_by_hand() -> None:
    """Between checkpoints, falling as well as rising, and the first of several."""
    steps = np.expm1(np.array([0.0, 1.0, 2.0, 3.0]))
    curves = np.array([[0.0, 0.2, 0.8, 1.0], [1.0, 0.8, 0.2, 0.0], [0.0, 0.6, 0.4, 1.0]])
    assert np.log1p(crossing(curves, steps, 0.5)) == pytest.approx([1.5, 1.5, 5 / 6])
    assert np.log1p(crossing(curves, steps, 1.0)) == pytest.approx([3, 3, 3])


# ---- what is said ----------------------------------------------------------------------------------------------------


def _judged(**happens: Event) -> dict[str, Sweep]:
    """What the judges of events read, with two heads over steps 0 to 1,000 and these events."""
    names = {"induction": "induction head", "previous": "previous-token head"}
    rows = {names[name]: astuple(event) for name, event in happens.items()}
    parts = tuple(field.name.replace("_", " ") for field in fields(Event))
    return {
        "events": Sweep(
            np.array(list(rows.values())), ("event", "part"), "steps", {"event": tuple(rows), "part": parts}
        ),
        "names": Sweep(np.zeros((2, 2)), ("score", "part"), "index", {"score": ("L1H0", "L0H1")}),
        "followed": Sweep(
            np.zeros((2, 3, 1, 7)), ("score", "step", "length", "example"), "share", {"step": (0, 10, 1000)}
        ),
    }


def test_a_delay_is_the_ratio_of_steps_with_both_intervals() -> None:
    """At 99 + 1 and 299 + 1 iterations; from the second's earliest over the first's latest to the other way round."""
    sweeps = _judged(induction=Event(299, 249, 399), previous=Event(99, 79, 124))
    found = delay_of_induction(sweeps)
    assert (found.value, found.interval, found.n, found.null) == (3.0, (2.0, 5.0), 7, 1.0)
    assert (found.facts["previous"], found.facts["induction"]) == ("L0H1", "L1H0")
    assert (found.facts["previous_step"], found.facts["induction_step"]) == (99, 299)
    missing = delay_of_induction(_judged(induction=Event(), previous=Event(99, 79, 124)))
    assert math.isnan(missing.value)
    assert missing.why == "no induction head forms"


@pytest.mark.parametrize(("better", "value"), [(10.5, (2.0, 1.5, 2.5)), (10.0, (1001.0, 1001.0, 1001.0))])
def test_a_change_without_a_logistic_that_wins_takes_the_whole_training(
    better: float, value: tuple[float, float, float]
) -> None:
    head = Event(99, 79, 124, ten=49, ninety=199, factor=2.0, factor_low=1.5, factor_high=2.5, better=better)
    found = factor_of_change(PREVIOUS, _judged(induction=Event(), previous=head))
    assert (found.value, *found.interval) == value
    assert found.facts["wins"] is (better > 10)
    assert (found.facts["ten"], found.facts["ninety"]) == (49, 199)


def test_every_claim_is_said_under_every_verdict(switched: tuple[Checkpoint, tuple[Result, ...]]) -> None:
    _, shots = switched
    result = Result("emergence", {}, shots[0].subject, measure(Group("planted", "planted", shots), Params()))
    for claim in EMERGENCE.claims:
        assert len(set(texts(claim, result).values())) == 4, claim.id


def test_what_an_older_version_did_not_measure_is_said() -> None:
    whole = published("emergence", "the echo control, seed 1")
    older = {name: sweep for name, sweep in whole.sweeps.items() if name not in ("held_out", "tables")}
    result = replace(whole, sweeps=older)
    assert result.finding("emergence.forms").verdict == "supported"
    today = {finding.id: finding.evidence.why for finding in EMERGENCE.judge(result.sweeps)}
    assert today == {"emergence.forms": "", "emergence.icl": OLDER, "emergence.repeated": OLDER}
    stood = values(Study(None, (result,)), result)
    assert stood["previous"]
    assert "| induction head, iteration |" in str(stood["beside"])
    assert "| 10 to 90 % of the previous-token head, as a factor |" in str(stood["beside"])


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_follows_a_training_and_goes_on_where_it_stopped(
    shakespeare: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one stored snapshot taken away, only that one is taken again, and the answer is the same result."""
    text = tmp_path / "text.txt"
    text.write_text(shakespeare.text[:120_000])
    model = GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=48)
    recipe = Recipe(
        model, iterations=10, batch_size=4, eval_every=10, eval_windows=2, dense_until=0, checkpoint_every=2
    )
    train(recipe, Corpus("text", text.read_text()), tmp_path / "run", Machine(threads=1))
    command = ["run", "emergence", str(tmp_path / "run" / "final"), "--data", str(text), "--out", str(tmp_path / "out"),
               "--sequences", "2", "--lengths", "1", "--windows", "4", "--held-out", "400", "--threads", "1"]  # fmt: skip
    cli.main(command)
    assert "no induction head forms within 10 iterations" in " ".join(capsys.readouterr().out.split())
    results = tmp_path / "out" / "results"
    kept = {path: path.stat().st_mtime_ns for path in results.glob("*/result.json")}
    assert len(kept) == len(checkpoints(tmp_path / "run")) + 1 == 7
    gone = sorted(path for path in kept if path.parent.name.startswith("snapshot"))[2]
    for path in gone.parent.iterdir():
        path.unlink()
    gone.parent.rmdir()
    cli.main(command)
    after = {path: path.stat().st_mtime_ns for path in results.glob("*/result.json")}
    assert set(after) == set(kept)
    assert [path for path in kept if after[path] != kept[path]] == [gone]
