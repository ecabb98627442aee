"""Experiment 04d: the instrument finds what was planted, nothing where there is nothing, and counts what it says it counts."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from conftest import random_model, random_tokens
from reference import longest_match

from nanoscope.analysis.attention import circuit_state
from nanoscope.analysis.attention.circuit_state import SKIP, STATE, Circuit, observe
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.failures.control import blocks_of_several_lengths, planted_failures
from nanoscope.experiments.failures.judge import other_gains
from nanoscope.experiments.failures.measure import (
    GROUPS,
    Params,
    _setting,
    missing,
    random_circuits,
    table_features,
    three_parts,
)
from nanoscope.experiments.failures.power import expected_area, planted_odds, power, strength_of
from nanoscope.experiments.failures.predict import CIRCUIT, SETS, SeenText, compare, shuffled_gain
from nanoscope.interventions.edits import zero
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.plots.quality import checklist
from nanoscope.statistics.auroc import auroc, pairs
from nanoscope.statistics.logistic import fit_logistic, log_losses
from nanoscope.tasks.synthetic import repeated_sequences
from nanoscope.text.corpora import Corpus
from nanoscope.text.matches import matches
from nanoscope.text.ngrams import NGrams
from nanoscope.text.vocabulary import Vocabulary

FEW = Params(
    select_windows=6, fit_windows=8, test_windows=10, random_sets=2, shuffles=2, control_examples=4, power_draws=2
)  # fmt: skip
SHAPE = GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=32)


# ---- matches, regressions, areas -------------------------------------------------------------------------------------


def test_matches_are_those_found_one_by_one() -> None:
    tokens = torch.randint(4, (6, 60), generator=torch.Generator().manual_seed(0))
    found = matches(tokens.numpy())
    for row, length, source in zip(tokens, found.length, found.source, strict=True):
        lengths, following = longest_match(row, 8)
        assert (length == lengths).all()
        assert (np.where(source >= 0, row.numpy()[source], -1) == following).all()


def _data(count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of different scales and labels drawn from known log-odds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -3.0]
    true = np.array([1.0, -0.05, 4.0])
    odds = (x - [0.0, 5.0, -3.0]) @ true + 0.5
    return x, rng.random(count) < 1 / (1 + np.exp(-odds)), true


def test_the_regression_is_the_minimum_that_another_solver_finds() -> None:
    x, labels, _ = _data(500)
    fitted = fit_logistic(x, labels, penalty=3.0)
    z = (x - x.mean(0)) / x.std(0)

    def loss(w: np.ndarray) -> float:
        return float(log_losses(z @ w[:-1] + w[-1], labels).sum() + 1.5 * (w[:-1] ** 2).sum())

    twin = scipy.optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose([*fitted.weights, fitted.intercept], twin.x, atol=1e-5)


def test_the_regression_finds_the_planted_weights() -> None:
    x, labels, true = _data(40_000)
    fitted = fit_logistic(x, labels)
    np.testing.assert_allclose(fitted.weights / fitted.std, true, rtol=0.12)


def test_a_feature_that_never_varies_counts_nothing_and_units_do_not_matter() -> None:
    x, labels, _ = _data(800)
    plain = fit_logistic(x, labels).log_odds(x)
    wider = np.column_stack([x * [3.0, 0.2, -7.0] + 2.0, np.full(len(x), 4.0)])
    fitted = fit_logistic(wider, labels)
    assert fitted.weights[-1] == 0
    np.testing.assert_allclose(fitted.log_odds(wider), plain, atol=1e-6)


def test_perfectly_separable_labels_have_a_finite_regression() -> None:
    x = np.linspace(-1, 1, 50)[:, None]
    fitted = fit_logistic(x, x[:, 0] > 0.01)
    assert np.isfinite(fitted.weights).all()
    assert ((fitted.log_odds(x) > 0) == (x[:, 0] > 0.01)).all()


def test_labels_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(NanoscopeError, match="no two classes to separate"):
        fit_logistic(np.zeros((3, 1)), np.ones(3, dtype=bool))


def _slow_area(scores: np.ndarray, labels: np.ndarray) -> float:
    wins = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    return float(np.mean(wins))


def test_areas_are_the_share_of_pairs_in_the_right_order_for_every_resample() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((7, 9)) < 0.4
    scores = np.round(rng.normal(size=(7, 9)) + labels, 1)  # with ties
    counted = pairs(scores, labels)
    assert counted.auroc(np.ones(7)) == pytest.approx(_slow_area(scores, labels), abs=1e-12)
    drawn = rng.integers(0, 7, 7)
    weights = np.bincount(drawn, minlength=7).astype(float)
    assert counted.auroc(weights) == pytest.approx(_slow_area(scores[drawn], labels[drawn]), abs=1e-12)
    assert auroc(np.arange(4.0), np.arange(4) > 1) == 1.0
    assert np.isnan(counted.auroc(np.zeros(7)))


# ---- what heads do ---------------------------------------------------------------------------------------------------


def _observed(model: GPT, circuit: Circuit, edits: tuple = ()) -> tuple[torch.Tensor, circuit_state.Observed]:
    tokens = random_tokens(model, 3, 20)
    return tokens, observe(model, tokens, tokens.roll(-1, 1), [circuit], slice(SKIP, -1), edits)


def test_confidence_and_errors_are_the_models(variant: GPT) -> None:
    tokens, seen = _observed(variant, Circuit((0, 0), (1, 1)))
    chances = run(variant, tokens).logits[:, SKIP:-1].double().softmax(-1)
    first, second = chances.topk(2, -1).values.unbind(-1)
    np.testing.assert_allclose(seen.chance, first, rtol=1e-4)
    np.testing.assert_allclose(seen.confidence[1], -(chances * chances.log()).sum(-1), atol=1e-4)
    np.testing.assert_allclose(seen.confidence[2], (first / second).log(), atol=1e-4)
    assert (seen.wrong == (chances.argmax(-1) != tokens[:, SKIP + 1 :]).numpy()).all()


def test_a_last_layers_write_to_a_logit_is_what_removing_it_takes_away() -> None:
    """Without norms the direct contribution is the whole effect: predicted from states, found by intervention."""
    model = random_model(norm="none", final_norm=False, attention_scale="none", attention_only=True)
    layer, head = model.config.n_layer - 1, 1
    tokens, seen = _observed(model, Circuit((0, 0), (layer, head)))
    whole, without = (
        run(model, tokens, edits).logits[:, SKIP:-1] for edits in ([], [zero(Site("z", layer, head=head))])
    )
    change = (whole - whole.mean(-1, keepdim=True)) - (without - without.mean(-1, keepdim=True))
    found = matches(tokens.numpy()).source[:, SKIP:-1]
    state = dict(zip(STATE, seen.states[0][len(STATE) :], strict=True))
    to_top = change.gather(-1, torch.from_numpy(seen.top)[..., None])[..., 0]
    np.testing.assert_allclose(state["write to the first choice"], to_top, atol=1e-4 * float(whole.abs().max()))
    copy = torch.from_numpy(np.take_along_axis(tokens.numpy(), found.clip(0), 1))
    to_copy = change.gather(-1, copy[..., None])[..., 0].numpy() * (found >= 0)
    np.testing.assert_allclose(state["write to the copy"], to_copy, atol=1e-4 * float(whole.abs().max()))


def test_attention_of_both_roles_is_read_where_it_should_go(variant: GPT) -> None:
    tokens, seen = _observed(variant, Circuit((0, 0), (1, 1)))
    cache = run(variant, tokens, keep=["pattern"]).cache
    source = matches(tokens.numpy()).source
    for window, at in np.ndindex(3, 11):
        query = SKIP + at
        assert seen.states[0, 0, window, at] == pytest.approx(float(cache["pattern", 0][window, 0, query, query - 1]))
        key = source[window, query]
        there = float(cache["pattern", 1][window, 1, query, key]) if key >= 0 else 0.0
        assert seen.states[0, len(STATE), window, at] == pytest.approx(there, abs=1e-6)


def test_what_is_seen_does_not_depend_on_the_company_of_other_windows() -> None:
    model = random_model()
    tokens = random_tokens(model, 20, 20)
    circuits = [Circuit((0, 0), (1, 1)), Circuit((0, 1), (1, 0))]
    whole = observe(model, tokens, tokens.roll(-1, 1), circuits)
    some = np.array([3, 17])
    few = observe(model, tokens[some], tokens[some].roll(-1, 1), circuits)
    np.testing.assert_allclose(whole[some].states, few.states, atol=1e-5)
    assert (whole[some].wrong == few.wrong).all()


def test_the_planted_circuit_is_chosen() -> None:
    """On blocks of several lengths; the two heads are the planted ones, with nearly all their attention in place."""
    model = planted_induction(Vocabulary(tuple("abcdefghijklmnopqrstuvwxyz")), Planted(context=40)).model
    found = circuit_state.scores(model, blocks_of_several_lengths(26, 40, 26, 0))
    assert found.best == Circuit((0, 0), (1, 0))
    assert found.previous[0, 0] > 0.8
    assert found.copying[1, 0] > 0.8
    assert abs(found.copying[0]).max() < 0.05


def test_a_head_that_looks_back_a_fixed_distance_is_no_copying_head() -> None:
    """Where all windows repeat at one distance, the places that other windows name get as much, and the score is nothing."""
    source = np.full((4, 30), 5)
    keys = circuit_state._keys(source, 30)
    assert (keys.sum(-1) == 1).all()
    assert (keys.argmax(-1) == 5).all()
    assert (circuit_state._keys(np.full((1, 3), -1), 30) == 0).all()
    model = planted_induction(Vocabulary(tuple("abcdefghijklmnopqrstuvwxyz")), Planted(context=40)).model
    same = repeated_sequences(torch.arange(26), 12, 40, 8, 26).tokens
    assert abs(circuit_state.scores(model, same).copying).max() < 0.1


# ---- the instrument --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted_texts() -> tuple[Circuit, SeenText, SeenText]:
    return planted_failures(32, 0)


def test_planted_failures_are_found_by_the_heads_state_alone(planted_texts: tuple[Circuit, SeenText, SeenText]) -> None:
    circuit, fit, test = planted_texts
    assert circuit == Circuit((0, 0), (1, 0))
    area = dict(zip(SETS, compare(fit, test)["auroc"].values, strict=True))
    assert 0.4 < fit.seen.wrong.mean() < 0.6
    assert np.ptp(fit.seen.chance) > 0.001
    assert area["confidence + circuit"] - area["confidence"] >= 0.1
    assert area["circuit"] > 0.99
    for blind in ("confidence", "confidence + random heads", "text"):
        assert abs(area[blind] - 0.5) < 0.08


def test_the_planted_failures_are_the_misled_places_and_no_others(
    planted_texts: tuple[Circuit, SeenText, SeenText],
) -> None:
    _, fit, _ = planted_texts
    looked = fit.seen.states[0, len(STATE)]
    assert (fit.seen.wrong == (looked < 0.5)).all()


def _noise(windows: int, seed: int, signal: float) -> SeenText:
    """Places at which errors follow one state of the copying head, beside features of noise."""
    rng = np.random.default_rng(seed)
    confidence, match, state, table = (rng.normal(size=(n, windows, 60)) for n in (3, 4, 10, 2))
    wrong = rng.random((windows, 60)) < 1 / (1 + np.exp(-confidence[0] - signal * state[5]))
    other = rng.normal(size=state.shape)
    top = np.zeros(wrong.shape, dtype=int)
    return SeenText(circuit_state.Observed(wrong, top, confidence, match, np.stack([state, other])), table)


def test_a_planted_signal_is_found_and_its_absence_too() -> None:
    """Both ends: a state that drives errors, and one that does not."""
    for signal, found in ((1.0, True), (0.0, False)):
        fit, test = (_noise(250, seed, signal) for seed in (0, 1))
        result = compare(fit, test)
        gain = result["auroc"].sel(set=CIRCUIT).values - result["auroc"].sel(set="confidence").values
        drawn = (
            result["auroc_resampled"].sel(set=CIRCUIT).values - result["auroc_resampled"].sel(set="confidence").values
        )
        low, high = np.percentile(drawn, (2.5, 97.5))
        assert low <= gain <= high
        assert (low >= 0.01) if found else (high < 0.005)
        random = float(result["auroc"].sel(set="confidence + random heads").values)
        assert abs(random - result["auroc"].sel(set="confidence").values) < 0.005


def test_shuffled_errors_are_not_predicted() -> None:
    fit, test = (_noise(250, seed, 1.0) for seed in (0, 1))
    assert abs(shuffled_gain(fit, test, 20, 0).values.mean()) <= 0.005


# ---- what size of effect would be seen -------------------------------------------------------------------------------


def test_the_expected_area_is_the_mean_over_drawn_errors() -> None:
    rng = np.random.default_rng(3)
    odds = rng.normal(size=(20, 50))
    chance = 1 / (1 + np.exp(-odds))
    drawn = [auroc(odds.ravel(), rng.random(1000) < chance.ravel()) for _ in range(300)]
    assert expected_area(odds, chance) == pytest.approx(np.mean(drawn), abs=3 * np.std(drawn) / np.sqrt(300))
    one, other = chance.ravel()[:4], odds.ravel()[:4]
    pairs_of = [(i, j) for i in range(4) for j in range(4) if i != j]
    won = sum(one[i] * (1 - one[j]) * (other[i] > other[j]) for i, j in pairs_of)
    assert expected_area(other, one) == pytest.approx(won / sum(one[i] * (1 - one[j]) for i, j in pairs_of))


def test_the_planted_effect_has_the_size_that_was_asked_for_and_is_none_of_the_texts() -> None:
    fit, test = (_noise(250, seed, 0.0) for seed in (0, 1))
    odds, other = planted_odds(fit, test)
    assert odds.signal.std() == pytest.approx(1)
    known = fit.features(SETS["confidence + text"], 0)
    assert (
        max(abs(np.corrcoef(known[..., i].ravel(), odds.signal.ravel())[0, 1]) for i in range(known.shape[-1])) < 1e-9
    )
    for size in (0.005, 0.02):
        assert other.gain(strength_of(other, size)) == pytest.approx(size, abs=1e-6)
    assert strength_of(other, 0.0) == 0
    assert other.gain(0.0) == 0


def test_the_comparison_sees_a_planted_effect_and_none_where_there_is_none() -> None:
    fit, test = (_noise(150, seed, 0.0) for seed in (0, 1))
    found = power(fit, test, (0.0, 0.03), 3, "test")
    nothing, something = found.sel(size=0.0).values, found.sel(size=0.03).values
    assert (np.abs(nothing[:, 0]) < 0.01).all()
    assert (nothing[:, 1] < 0.005).all()
    assert something[:, 0].mean() == pytest.approx(0.03, abs=0.01)
    assert (something[:, 1] > 0).all()
    assert power(fit, test, (0.0,), 0, "none").values.size == 0


def test_log_losses_are_those_of_the_probabilities() -> None:
    odds, labels = np.array([0.0, 2.0, -1.0]), np.array([True, True, False])
    p = 1 / (1 + np.exp(-odds))
    np.testing.assert_allclose(log_losses(odds, labels), -np.log(np.where(labels, p, 1 - p)))


# ---- the experiment --------------------------------------------------------------------------------------------------


def _subject(corpus: Corpus, model: GPT, start: int | None = None) -> Subject:
    symbols = corpus.vocabulary.symbols
    named = Vocabulary((*symbols, "<start>"), start=start) if start is not None else corpus.vocabulary
    return Subject(Checkpoint(model, named, None, {}, "none"), corpus, "a small model")


@pytest.mark.parametrize("changes", [{}, {"attention_only": True}])
def test_it_runs_from_end_to_end(shakespeare: Corpus, changes: dict) -> None:
    torch.manual_seed(0)
    subject = _subject(shakespeare, GPT(replace(SHAPE, **changes)).eval().requires_grad_(False))
    experiment = open_experiment("failures")
    sweeps = experiment.measure(subject, FEW)
    found = experiment.judge(sweeps)
    assert [one.id for one in found] == [claim.id for claim in experiment.claims]
    places = sweeps["states"].sel(measure="places").values
    assert places.sum() == FEW.test_windows * (SHAPE.block_size - SKIP)
    assert (places >= sweeps["states"].sel(measure="errors").values).all()
    result = Result("failures", {}, StoredSubject("a small model"), sweeps, found)
    for draw in experiment.figures.values():
        assert all(checklist(draw(result)).values())


def test_a_start_symbol_shifts_positions_and_not_what_is_asked(shakespeare: Corpus, planted: Checkpoint) -> None:
    """Every place's errors and table features are those of the text itself, read one window at a time."""
    subject = Subject(planted, shakespeare, "planted")
    s = _setting(subject, replace(FEW, select_windows=20))
    chosen_heads = circuit_state.scores(planted.model, s.windows.tokens[s.parts[0]]).best
    text, rows = s.text("test", [chosen_heads]), s.parts[2]
    window = s.windows.text[rows[0]]
    tokens = torch.cat([torch.tensor([subject.start]), window[:-1]])
    logits = run(planted.model, tokens[None]).logits[0, 1 + SKIP :].numpy()
    chosen = np.take_along_axis(logits, text.seen.top[0][:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, logits.max(-1))
    assert (text.seen.wrong[0] == (text.seen.top[0] != window[1 + SKIP :].numpy())).all()
    chances = s.tables.distribution(window[None, : 1 + SKIP + 4].numpy())[-1, 0, -1]
    assert text.table[1, 0, 4] == pytest.approx(np.log(chances.max()))
    assert text.table[0, 0, 4] == pytest.approx(np.log(chances[text.seen.top[0, 4]]))


def test_the_table_knows_a_text_that_it_has_counted() -> None:
    tokens = np.tile(np.arange(7), 60)
    current, top = tokens[None, :40], tokens[None, 11:41]
    own, best = table_features(NGrams.fit(tokens, 7, 3), current, top)
    assert (own == best).all()
    assert (np.exp(own) > 0.9).all()


def test_the_three_parts_share_no_window() -> None:
    for count in (100, 61, 40):
        parts = three_parts(count, (10, 20, 31), 0)
        joined = np.concatenate(parts)
        assert len(set(joined)) == len(joined) <= min(count, 61)
        assert joined.max() < count
        assert abs(len(parts[2]) - 31 * min(1, count / 61)) <= 1


def test_random_heads_have_the_layers_and_roles_of_the_chosen_ones() -> None:
    model = random_model(n_head=4)
    chosen = Circuit((2, 0), (1, 3))
    drawn = random_circuits(model, chosen, 5, 0)
    assert len(drawn) == 5
    for circuit in drawn:
        assert circuit.previous[0] == 2
        assert circuit.copying[0] == 1
        assert not set(circuit.heads) & set(chosen.heads)
    same = random_circuits(model, Circuit((1, 0), (1, 3)), 5, 0)
    assert same
    assert all(set(c.heads) == {(1, 1), (1, 2)} for c in same)
    assert random_circuits(random_model(n_head=1, n_embd=16), Circuit((0, 0), (1, 0)), 5, 0) == []


def test_without_other_heads_the_comparison_with_them_does_not_apply(shakespeare: Corpus) -> None:
    torch.manual_seed(0)
    model = GPT(replace(SHAPE, n_head=1)).eval().requires_grad_(False)
    experiment = open_experiment("failures")
    sweeps = experiment.measure(_subject(shakespeare, model), FEW)
    assert np.isnan(other_gains(sweeps)["others"])
    result = Result("failures", {}, StoredSubject("one head a layer"), sweeps)
    for draw in experiment.figures.values():
        assert all(checklist(draw(result)).values())


def test_a_model_without_the_heads_is_not_asked_and_one_with_them_is(shakespeare: Corpus, planted: Checkpoint) -> None:
    """An untrained model has neither head, and no power is measured; the hand-built one has a head for each role."""
    torch.manual_seed(0)
    experiment = open_experiment("failures")
    sweeps = experiment.measure(_subject(shakespeare, GPT(SHAPE).eval().requires_grad_(False)), FEW)
    found = {finding.id: finding for finding in experiment.judge(sweeps)}
    assert missing(sweeps) == circuit_state.ROLES
    assert found["failures.beyond_text"].verdict == "not applicable"
    assert (
        "it has no previous-token head and no copying head (at least 0.3" in found["failures.beyond_text"].evidence.why
    )
    assert "head" not in found["failures.confidence"].evidence.why
    assert sweeps["power"].values.shape == (3, 0, 3)
    scores = circuit_state.scores(planted.model, blocks_of_several_lengths(26, 40, 65, 0))
    heads = np.array([scores.best.heads], dtype=float)
    both = np.stack([scores.previous, scores.copying])
    assert (
        missing({"scores": Sweep(both, ("role", "layer", "head"), ""), "heads": Sweep(heads, ("c", "r", "p"), "")})
        == ()
    )


def test_what_cannot_be_done_is_said_in_one_line(shakespeare: Corpus) -> None:
    short, alone = (
        GPT(replace(SHAPE, **changes)).eval().requires_grad_(False)
        for changes in ({"block_size": 16}, {"n_layer": 1, "n_head": 1})
    )
    with pytest.raises(NanoscopeError, match="a context of 16 is too short"):
        open_experiment("failures").measure(_subject(shakespeare, short), FEW)
    with pytest.raises(NanoscopeError, match="one head only"):
        open_experiment("failures").measure(_subject(shakespeare, alone), FEW)
    with pytest.raises(NanoscopeError, match="--fit-windows must be at least"):
        replace(FEW, fit_windows=1)


def test_groups_are_told_by_the_length_of_the_match() -> None:
    from nanoscope.experiments.failures.measure import groups

    match = np.array([[[1, 1, 0, 1]], [[1, 1, 0, 0]], [[0, 1, 0, 0]], [[1, 0, 0, 1]]], dtype=float)
    none = np.zeros((1, 4))
    seen = circuit_state.Observed(none > 1, none.astype(int), np.zeros((3, 1, 4)), match, np.zeros((1, 10, 1, 4)))
    assert [GROUPS[g] for g in groups(seen)[0]] == [GROUPS[0], GROUPS[1], GROUPS[2], GROUPS[2]]
