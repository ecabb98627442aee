"""Neurons: streamed statistics, ranks and shifts against their slow twins, weights and ablation against interventions."""

import math

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model
from scipy import stats as scipy_stats

from nanoscope.analysis.neurons import ablation, output_weights, selectivity, statistics
from nanoscope.analysis.neurons.activations import by_layer, every_layer
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import mean, patch, zero
from nanoscope.interventions.run import run
from nanoscope.model import arithmetic
from nanoscope.model.folded import fold
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site, mlp_reads
from nanoscope.statistics.auroc import auroc as one_auroc
from nanoscope.tasks import metrics
from nanoscope.text.tokenizer import TokenizedText, tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import Windows, windows

WITH_MLPS = [name for name in VARIANTS if not VARIANTS[name].get("attention_only")]
LETTERS = "abcdefghijklm"


def _text(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(LETTERS), length))


def _tokens(text: str) -> torch.Tensor:
    return torch.tensor([LETTERS.index(symbol) for symbol in text])


def _read(text: str) -> TokenizedText:
    return tokenized(text, Vocabulary(tuple(LETTERS)))


def _post(model: GPT, laid: Windows, site: str = "post") -> np.ndarray:
    """All activations at once, the plain way: `[layer, neuron, char]`."""
    cache = run(model, laid.tokens, keep=[site]).cache
    return cache.layers(site)[:, :, laid.lead :].flatten(1, 2).mT.double().numpy()


# ---- which characters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_MLPS)
@pytest.mark.parametrize("start", [None, 12])
def test_layer_by_layer_and_all_at_once_are_the_same_neurons(name: str, start: int | None) -> None:
    model = random_model(**VARIANTS[name])
    laid = windows(_tokens(_text(3000)), 24, 2000, start)
    inputs, expected = (torch.from_numpy(_post(model, laid, site)).float() for site in ("pre", "post"))
    state = mlp_reads(model.config)
    stream = run(model, laid.tokens, keep=[state]).cache
    for layer, (before, hidden) in enumerate(
        zip(by_layer(model, laid, "pre"), by_layer(model, laid, "post"), strict=True)
    ):
        torch.testing.assert_close(before.neurons, inputs[layer], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(hidden.neurons, expected[layer], atol=1e-4, rtol=1e-4)
        ln_2 = model.blocks[layer].ln_2
        assert ln_2 is not None
        read = arithmetic.norm_before(stream[state, layer][:, laid.lead :], ln_2).flatten(0, 1)
        torch.testing.assert_close(hidden.read, read, atol=1e-4, rtol=1e-4)
    parts = [every_layer(model, laid, chunk) for chunk in laid.chunks()]
    torch.testing.assert_close(torch.cat(parts, dim=1).flatten(1, 2).mT, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("start", [None, 12])
def test_windows_hold_their_text_and_leave_a_next_character(start: int | None) -> None:
    text = _text(1000)
    laid = windows(_tokens(text), 24, 10_000, start)
    assert laid.laid_out.max() == len(text) - 2
    assert len(np.unique(laid.laid_out)) == laid.places.size
    assert torch.equal(laid.tokens[:, laid.lead :].flatten(), _tokens(text)[laid.laid_out])
    assert (laid.tokens[:, : laid.lead] == 12).all()
    with pytest.raises(NanoscopeError, match="too few for a window"):
        windows(_tokens(text[:10]), 24, 100)


def test_an_attention_only_model_has_no_neurons() -> None:
    model = random_model(attention_only=True)
    laid = windows(_tokens(_text(100)), 24, 48)
    with pytest.raises(NanoscopeError, match="attention-only, so it has no neurons"):
        next(by_layer(model, laid, "pre"))


@pytest.mark.parametrize("name", WITH_MLPS)
def test_a_neuron_is_active_exactly_where_its_input_is_positive(name: str) -> None:
    """So shares of active characters are read off the input; in a gated MLP it is the gate's, and the write may be negative."""
    model = random_model(**VARIANTS[name])
    laid = windows(_tokens(_text(1000)), 24, 1000)
    pre, post = (_post(model, laid, site) for site in ("pre", "post"))
    if model.config.gated_mlp:
        linear = _post(model, laid, "pre_linear")
        assert ((pre > 0) == (post * linear > 0)).mean() > 0.999
        assert (post[pre > 0] < 0).mean() > 0.2
    else:
        assert ((pre > 0) == (post > 0)).all()


# ---- statistics and examples ---------------------------------------------------------------------------------------


def _over(length: int = 4000, sample: int = 10**6, **changes):
    text = _text(length)
    model, laid = random_model(**changes), windows(_tokens(text), 24, length)
    return text, model, laid, statistics.over_text(model, laid, _read(text), 5, sample, "test")


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_streamed_statistics_are_those_of_the_whole_array(activation: str) -> None:
    _, model, laid, over = _over(activation=activation)
    post = _post(model, laid)
    size = post.shape[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = {
            "mean": post.mean(2),
            "sd": post.std(2),
            "skew": scipy_stats.skew(post, axis=2),
            "kurtosis": scipy_stats.kurtosis(post, axis=2),
            "positive": (post > 0).mean(2),
            "max": post.max(2),
            "min": post.min(2),
            "sparsity": (post > 0.1 * post.max(2, keepdims=True)).mean(2),
            "hoyer": (math.sqrt(size) - np.abs(post).sum(2) / np.sqrt((post**2).sum(2))) / (math.sqrt(size) - 1),
        }
    live = post.max(2) > 1e-3
    for name, values in expected.items():
        found = over.statistics.sel(statistic=name).values
        np.testing.assert_allclose(found[live], values[live], rtol=2e-3, atol=2e-4, err_msg=name)
    quantiles = np.quantile(post, statistics.QUANTILES, axis=2, method="nearest")
    np.testing.assert_allclose(over.quantiles.values, quantiles, rtol=1e-3, atol=1e-3)


def test_a_sample_gives_quantiles_to_its_own_error() -> None:
    _, model, laid, over = _over(length=20_000, sample=3000)
    assert over.sample.shape[2] == pytest.approx(3000, rel=0.2)
    post = np.sort(_post(model, laid), axis=2)
    for quantile in (0.1, 0.5, 0.9):
        found = over.quantiles.sel(quantile=quantile).values
        rank = (post < found[..., None] - 1e-6).mean(2)
        assert abs(rank - quantile).max() < 5 * math.sqrt(quantile * (1 - quantile) / over.sample.shape[2])


def test_moments_do_not_depend_on_how_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large common offset would show what running sums of raw powers lose."""
    x = torch.randn(1, 40, 25, 6, generator=torch.Generator().manual_seed(0)) + 30
    whole, parts = statistics._Moments.of(x), statistics._Moments.none((1, 6))
    for chunk in x.split(7, dim=1):
        parts = parts.merged(statistics._Moments.of(chunk))
    for name in ("mean", "m2", "m3", "m4"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=2e-3, atol=1e-1)
    np.testing.assert_allclose(parts.m2 / 1000, x.double().flatten(1, 2).var(1, unbiased=False), rtol=1e-4)


def _greedy(values: np.ndarray, laid: Windows, text: str, count: int) -> list[int]:
    """The definition: the strongest new character of each window, best first, none whose shown text overlaps a better."""
    seen, eligible = set(), []
    padded = "\0" * 40 + text + "\0" * 40
    best: dict[int, tuple[float, int]] = {}
    for i, place in enumerate(laid.laid_out):
        shown = padded[place : place + 81]
        if shown not in seen:
            window = i // laid.size
            best[window] = max(best.get(window, (-math.inf, -1)), (values[i], int(place)))
        seen.add(shown)
    for _, place in sorted(best.values(), reverse=True):
        if all(abs(place - other) > 80 for other in eligible):
            eligible.append(place)
    return eligible[:count]


def test_examples_are_the_strongest_that_neither_overlap_nor_repeat() -> None:
    once = _text(1500)
    text = once + once + _text(600, seed=1)
    model, laid = random_model(), windows(_tokens(text), 24, len(text))
    over = statistics.over_text(model, laid, _read(text), 12, 100, "test")
    post = _post(model, laid).astype(np.float32)
    for layer, neuron in ((0, 0), (1, 17), (2, 63)):
        for sign, examples in ((1, over.top), (-1, over.bottom)):
            found = examples.places[layer, neuron]
            assert found.tolist() == _greedy(sign * post[layer, neuron], laid, text, 12)
            at = [int(np.flatnonzero(laid.laid_out == place)[0]) for place in found]
            np.testing.assert_allclose(examples.activations[layer, neuron], post[layer, neuron, at], atol=1e-5)


def test_a_text_is_new_when_all_81_characters_are() -> None:
    once = _text(300)
    text = once + "a" + once[:40] + "b" + once[41:90] + once
    padded = "\0" * 40 + text + "\0" * 40
    shown = [padded[place : place + 81] for place in range(len(text))]
    expected = [shown.index(one) == place for place, one in enumerate(shown)]
    assert 0 < sum(expected) < len(text)
    assert statistics.first_of_its_text(text, np.arange(len(text))).tolist() == expected
    assert statistics.first_of_its_text(text, np.arange(400, len(text)))[0]  # only the places asked about count


def test_too_short_a_text_has_fewer_examples() -> None:
    _, _, _, over = _over(length=200)
    found = over.top.places[0, 0]
    assert 0 < (found >= 0).sum() < 5
    assert np.isnan(over.top.activations[0, 0][found < 0]).all()


def test_a_neuron_that_never_does_anything_is_dead() -> None:
    model = random_model()
    mlp = model.blocks[1].mlp
    assert mlp is not None
    mlp.c_fc.weight[5] = 0
    text = _text(500)
    over = statistics.over_text(model, windows(_tokens(text), 24, 500), _read(text), 3, 50)
    assert np.argwhere(statistics.dead(over.statistics)).tolist() == [[1, 5]]
    assert np.isnan(over.statistics.sel(statistic="skew").values[1, 5])


# ---- selectivity ---------------------------------------------------------------------------------------------------


def _tied(rows: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, size)).round(1).astype(np.float32), rng.random((rows, size)) < 0.3


def _by_pairs(values: np.ndarray, labels: np.ndarray) -> float:
    ones, zeros = values[labels][:, None], values[~labels][None]
    return float(((ones > zeros) + 0.5 * (ones == zeros)).mean())


def test_auroc_counts_pairs_and_ties_half() -> None:
    values, labels = _tied(5, 200)
    ranks = selectivity.ranks(values)
    np.testing.assert_array_equal(ranks, scipy_stats.rankdata(values, axis=1) - 1)
    found = selectivity.auroc(ranks, labels.astype(float))
    expected = [[_by_pairs(row, label) for label in labels] for row in values]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    one = labels[0].astype(np.float32)
    assert one_auroc(one, labels[0]) == 1
    assert one_auroc(-one, labels[0]) == 0
    assert one_auroc(np.ones_like(one), labels[0]) == 0.5
    assert math.isnan(one_auroc(one, labels[0] | True))


def _rank_sum(values: np.ndarray, labels: np.ndarray) -> float:
    """The AUROC by its definition: every character is placed by counting, one after another."""
    total = 0.0
    for value in values[labels]:
        smaller = sum(1 for other in values if other < value)
        equal = sum(1 for other in values if other == value)
        total += smaller + (equal + 1) / 2
    ones, zeros = int(labels.sum()), int((~labels).sum())
    return (total - ones * (ones + 1) / 2) / (ones * zeros)


def test_auroc_is_its_slow_twin_by_rank_sums_and_turns_with_the_sign() -> None:
    values, labels = _tied(4, 150, seed=3)
    found = selectivity.auroc(selectivity.ranks(values), labels.astype(float))
    expected = [[_rank_sum(row, label) for label in labels] for row in values]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        selectivity.auroc(selectivity.ranks(-values), labels.astype(float)), 1 - found, atol=1e-12
    )


def test_active_shares_are_of_the_concepts_characters_and_of_all_others() -> None:
    values = np.array([[1.0, -1.0, 2.0, 0.0, 3.0], [-1.0, -1.0, -1.0, 1.0, 1.0]])
    labels = np.array([[True, True, False, False, False], [True, True, True, False, False]])
    np.testing.assert_allclose(selectivity.active_shares(values, labels), [[1 / 2, 0], [2 / 3, 1]])


@pytest.mark.parametrize(("window", "wanted", "step"), [(12, 20, 12), (12, 100, 4), (12, 10**6, 1), (7, 60, 1)])
def test_shifts_are_np_roll(window: int, wanted: int, step: int) -> None:
    """Every shift by a window or more either way, in steps, and no other; the largest over neurons of each."""
    size = 40 * window
    values = _tied(3, size)[0]
    labels = _tied(4, size, seed=1)[1]
    shifts = selectivity.shifts(labels, window, wanted)
    assert shifts.step == step
    amounts = shifts.step * shifts.multiples
    assert amounts.tolist() == [s for s in range(0, size, step) if window <= s <= size - window]
    assert len(amounts) >= wanted or step == 1
    ranks = selectivity.ranks(values)
    found = selectivity.largest_by_chance(ranks, shifts)
    for column, amount in enumerate(amounts):
        rolled = np.roll(labels, amount, axis=1).astype(float)
        np.testing.assert_allclose(found[:, column], selectivity.auroc(ranks, rolled).max(0), atol=1e-6)


def test_shifted_labels_of_an_autocorrelated_text_are_a_fair_null() -> None:
    """Blocks of ones against slow noise: shuffled labels would call one in two significant, shifts one in twenty."""
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.normal(size=(200, 64)), 32, axis=1).astype(np.float32)
    labels = np.repeat(rng.random((1, 64)) < 0.3, 32, axis=1)
    shifts = selectivity.shifts(labels, 32, 50)
    ranks = selectivity.ranks(slow)
    observed = selectivity.auroc(ranks, labels.astype(float))[:, 0]
    null = np.stack([selectivity.largest_by_chance(row[None], shifts)[0] for row in ranks])
    p = (1 + (null >= observed[:, None]).sum(1)) / (1 + null.shape[1])
    assert (p <= 0.05).mean() < 0.1
    shuffled = np.stack([selectivity.auroc(ranks, rng.permuted(labels, axis=1).astype(float))[:, 0] for _ in range(40)])
    assert (observed > shuffled.max(0)).mean() > 0.3


def test_placements_and_pseudo_values() -> None:
    values, labels = _tied(3, 240)
    placed = selectivity.placements(values, labels)
    for row in range(3):
        for i in range(0, 240, 7):
            others = values[row][labels[row] != labels[row, i]]
            below = (others < values[row, i]).mean() + 0.5 * (others == values[row, i]).mean()
            assert placed[row, i] == pytest.approx(below if labels[row, i] else 1 - below, abs=1e-12)
    pseudo = selectivity.pseudo_values(placed, labels, 12)
    np.testing.assert_allclose(
        pseudo.mean(1), [_by_pairs(*both) for both in zip(values, labels, strict=True)], atol=1e-12
    )
    inside = np.arange(240) % 3 > 0
    within = selectivity.pseudo_values_within(values[0], labels[0], inside, 12)
    assert within.shape == (20,)
    assert within.mean() == pytest.approx(_by_pairs(values[0][inside], labels[0][inside]), abs=1e-12)
    assert np.isnan(selectivity.pseudo_values_within(values[0], labels[0], labels[0], 12)).all()


def test_pseudo_values_spread_as_resampled_windows_do() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(1, 60, 1))
    labels = (rng.normal(size=(1, 60, 20)) + shared > 0.8).reshape(1, -1)
    values = (rng.normal(size=(1, 60, 20)) + shared).reshape(1, -1) + labels
    pseudo = selectivity.pseudo_values(selectivity.placements(values, labels), labels, 20)[0]
    by_window = [part.reshape(60, 20) for part in (values, labels)]
    draws = [rng.integers(60, size=60) for _ in range(400)]
    resampled = [one_auroc(*(part[draw].ravel() for part in by_window)) for draw in draws]
    assert pseudo.std(ddof=1) / math.sqrt(60) == pytest.approx(np.std(resampled), rel=0.15)


def test_mutual_information_at_both_ends_and_with_its_correction() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 20_000)).astype(np.float32)
    known = values > np.quantile(values, 0.9)
    share = known.mean()
    entropy = -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert selectivity.mutual_information(values, known)[0] == pytest.approx(entropy, abs=1e-3)
    free = [selectivity.mutual_information(values[:, :300], rng.random((1, 300)) < 0.4)[0] for _ in range(300)]
    assert abs(np.mean(free)) < 3 * np.std(free) / math.sqrt(300)
    assert np.mean(free) + 9 / (2 * 300 * math.log(2)) > 5 * np.std(free) / math.sqrt(300)  # without the correction


def test_correlation_and_f1_are_their_definitions() -> None:
    values, labels = _tied(4, 300)
    np.testing.assert_allclose(
        selectivity.point_biserial(values, labels),
        [np.corrcoef(*both)[0, 1] for both in zip(values.astype(float), labels, strict=True)],
    )
    thresholds = selectivity.best_thresholds(values, labels)
    best = selectivity.f1(values, labels, thresholds)
    for row, (value, label) in enumerate(zip(values, labels, strict=True)):
        hits = {t: 2 * (label & (value >= t)).sum() / ((value >= t).sum() + label.sum()) for t in value}
        assert best[row] == pytest.approx(max(hits.values()))
        assert hits[thresholds[row]] == pytest.approx(best[row])
    tied = np.array([[3, 2, *[2] * 10, *[1] * 5]], dtype=np.float32)
    assert selectivity.best_thresholds(tied, np.array([[True, True, *[False] * 15]])) == 3  # no cut within a tie


def test_a_probe_reads_what_is_linear() -> None:
    rng = torch.Generator().manual_seed(0)
    read, direction = torch.randn(2000, 8, generator=rng), torch.randn(8, generator=rng)
    labels = (read @ direction > 1).numpy()[None]
    scores = (selectivity.probe(read[:1000], labels[:, :1000]) @ read[1000:].T).numpy()
    assert one_auroc(scores[0], labels[0, 1000:]) > 0.99


# ---- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"bias": True}, {"tied_head": False, "head_bias": True}])
def test_logit_weights_predict_what_a_last_layers_neuron_does(changes: dict) -> None:
    """With the final norm's scale held, one more unit of activation moves the centred logits along the row."""
    model = random_model(**changes)
    weights = output_weights.logit_weights(fold(model)).values
    whole = run(model, _tokens(_text(11))[None], keep=["resid_post"]).cache["resid_post", 2]
    mlp, ln_f = model.blocks[2].mlp, model.ln_f
    assert mlp is not None
    assert ln_f is not None
    for neuron in (0, 40):
        part = mlp.c_proj.weight[:, neuron].expand_as(whole)
        moved = arithmetic.norm_frozen(part, whole, ln_f) @ model.lm_head.weight.T
        scale = (whole.var(-1, unbiased=False, keepdim=True) + model.config.norm_eps).sqrt()
        expected = ((moved - moved.mean(-1, keepdim=True)) * scale)[0, 5]
        np.testing.assert_allclose(weights[2, neuron], expected.numpy(), rtol=1e-3, atol=1e-4)


def test_roles_follow_the_longer_tail_and_chance_has_hardly_any() -> None:
    rows = np.random.default_rng(0).standard_normal((2, 1500, 65))
    rows[0, 0], rows[0, 1], rows[0, 2] = np.eye(65)[3], -np.eye(65)[3], 0
    shape = output_weights.shape_of_rows(output_weights.Sweep(rows, ("layer", "neuron", "token"), "logits"))
    found = output_weights.roles(shape, 65).values
    assert found[0, :3].tolist() == [1, 2, 0]
    assert np.isnan(shape.values[:, 0, 2]).all()
    assert (found > 0).mean() == pytest.approx(0.01, abs=0.006)


# ---- ablation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, 12])
@pytest.mark.parametrize("name", WITH_MLPS)
def test_ablation_is_a_full_forward_without_the_neuron(name: str, start: int | None) -> None:
    model = random_model(**VARIANTS[name])
    laid = windows(_tokens(_text(400)), 24, 200, start)
    inputs, targets = laid.tokens[:, :-1], laid.tokens[:, 1 + laid.lead :]
    chosen, thresholds = [(0, 3), (1, 20), (2, model.config.d_mlp - 4)], [0.1, 0.0, 0.2]
    found = ablation.without_neurons(model, inputs, targets, chosen, thresholds)
    plain = run(model, inputs, keep=["post"])
    for n, ((layer, neuron), threshold) in enumerate(zip(chosen, thresholds, strict=True)):
        site = Site("post", layer, neuron=neuron)
        active = plain.cache[site][:, laid.lead :] > threshold
        assert 0 < active.sum() < active.numel()
        for effect, edit in (("zero", zero(site)), ("mean", mean(site, plain.cache))):
            losses = [_losses(run(model, inputs, edits).logits[:, laid.lead :], targets) for edits in ([edit], [])]
            change = losses[0] - losses[1]
            both = [(change * part).sum(1).numpy() for part in (active, ~active)]
            np.testing.assert_allclose(found.change.sel(effect=effect).values[n], both, atol=2e-4)
        assert found.count.values[n].tolist() == [part.sum(1).tolist() for part in (active, ~active)]


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -metrics.chosen(metrics.log_probs(logits), targets)


@pytest.mark.parametrize("name", WITH_MLPS)
def test_the_direct_effect_is_a_full_forward_with_all_later_writes_held(name: str) -> None:
    model = random_model(**VARIANTS[name])
    laid = windows(_tokens(_text(400)), 24, 200)
    inputs, targets, chosen = laid.tokens[:, :-1], laid.tokens[:, 1:], [(0, 3), (1, 20), (2, 5)]
    found = ablation.without_neurons(model, inputs, targets, chosen, [0.1] * 3).change.sel(effect="mean, direct")
    plain = run(model, inputs, keep=["post", "attn_out", "mlp_out"])
    for n, (layer, neuron) in enumerate(chosen):
        held = [
            patch(Site(part, later), plain.cache) for later in range(layer + 1, 3) for part in ("attn_out", "mlp_out")
        ]
        edits = [mean(Site("post", layer, neuron=neuron), plain.cache), *held]
        losses = [_losses(run(model, inputs, some).logits, targets) for some in (edits, [])]
        np.testing.assert_allclose(found.values[n].sum(0), (losses[0] - losses[1]).sum(1), atol=2e-4)


@pytest.mark.parametrize("name", WITH_MLPS)
def test_output_weights_are_a_write_of_the_last_layer_at_scale_one(name: str) -> None:
    model = random_model(**VARIANTS[name])
    cache = run(
        model, _tokens("abcdefgh")[None], keep=["resid_mid", "attn_out", "resid_pre", "mlp_out", "resid_post"]
    ).cache
    write = model.blocks[2].mlp.c_proj.weight[:, 5].expand(1, 8, -1)
    if model.config.norm_position == "post":
        whole = cache["resid_mid", 2] + cache["mlp_out", 2]
        scale = arithmetic.norm_scale(whole, model.blocks[2].ln_2)
        write = arithmetic.norm_frozen(write, whole, model.blocks[2].ln_2) * scale
    if model.ln_f is not None:
        whole = cache["resid_post", 2]
        write = arithmetic.norm_frozen(write, whole, model.ln_f) * arithmetic.norm_scale(whole, model.ln_f)
    logits = write @ model.lm_head.weight.T
    row = output_weights.logit_weights(fold(model)).values[2, 5]
    np.testing.assert_allclose(row, (logits - logits.mean(-1, keepdim=True))[0, 3], atol=1e-4)


def test_in_the_last_layer_the_direct_effect_is_the_whole() -> None:
    model = random_model()
    laid = windows(_tokens(_text(400)), 24, 200)
    chosen = [(2, 7), (0, 7)]
    found = ablation.without_neurons(model, laid.tokens[:, :-1], laid.tokens[:, 1:], chosen, [0.1, 0.1]).change
    gap = np.abs(found.sel(effect="mean").values - found.sel(effect="mean, direct").values).max(axis=(1, 2))
    assert gap[0] < 1e-4
    assert gap[1] > 0.05


def test_a_neuron_that_writes_nothing_or_never_changes_is_worth_nothing() -> None:
    model = random_model()
    first, second = model.blocks[0].mlp, model.blocks[1].mlp
    assert first is not None
    assert second is not None
    first.c_proj.weight[:, 4] = 0
    second.c_fc.weight[9] = 0
    laid = windows(_tokens(_text(200)), 24, 100)
    found = ablation.without_neurons(model, laid.tokens[:, :-1], laid.tokens[:, 1:], [(0, 4), (1, 9)], [0.0, 0.0])
    assert np.abs(found.change.values).max() < 1e-5
