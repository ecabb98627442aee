"""Sweeps: each named grid against its definition, ablations, estimates where they must be exact and where they fail."""

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.causal import patching
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import mean, patch, resample, zero
from nanoscope.interventions.first_order import estimate
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.task import Task
from nanoscope.text.corpora import Corpus

BARE = {"norm": "none", "final_norm": False, "attention_only": True}


def _task(model: GPT, first: int = 3) -> Task:
    clean, corrupt = random_tokens(model, 5, 11, 1), random_tokens(model, 5, 11, 2)
    corrupt[:, :first] = clean[:, :first]
    corrupt[:, first] = (clean[:, first] + 1) % model.config.vocab_size
    one = torch.ones(5, 2, dtype=torch.long)
    return Task(clean, corrupt, 3 * one, 5 * one, torch.tensor([[9, 6]] * 5))


def _grids(model: GPT, task: Task) -> list[patching.Grid]:
    p = patching
    plain = [p.residual_stream, p.heads, p.heads_by_position, p.queries, p.keys, p.values, p.attention_outputs, p.mlps]
    grids = [make(model, task) for make in plain]
    pair = [Site("z", 0, head=1), Site("q", 2, head=0, pos=7)]
    return [*grids, p.pattern_entries(model, task, 1, 0), p.neurons(model, task, 1), p.sets([pair, pair[:1]])]


def test_every_named_sweep_is_one_forward_per_cell() -> None:
    model = random_model(bias=True)
    task = _task(model)
    for cells in _grids(model, task):
        found = patching.exact(model, task, metrics.logit_diff, cells).metric
        assert found.dims == ("direction", *cells.axes, "example")
        runs = [run(model, tokens, keep=cells.names) for tokens in (task.clean, task.corrupt)]
        flat = found.values.reshape(2, len(cells.cells), -1)
        for number in range(0, len(cells.cells), 7):
            for direction, (tokens, source) in enumerate([(task.corrupt, runs[0]), (task.clean, runs[1])]):
                edits = [patch(site, source.cache) for site in cells.cells[number]]
                logits = metrics.read(run(model, tokens, edits).logits, task)
                expected = metrics.logit_diff(logits, task).numpy()
                assert flat[direction, number] == pytest.approx(expected, abs=2e-5)


def test_the_axes_of_the_named_sweeps() -> None:
    model = random_model()
    task = _task(model)
    places, heads = tuple(range(3, 10)), (0, 1)
    axes = [dict(cells.axes) for cells in _grids(model, task)]
    per_head, by_position = {"layer": (0, 1, 2), "head": heads}, {"layer": (0, 1, 2), "pos": places}
    assert axes[0] == {"layer": (0, 1, 2, 3), "pos": places}
    assert axes[1] == axes[3] == axes[4] == axes[5] == per_head
    assert axes[2] == {**per_head, "pos": places}
    assert axes[6] == axes[7] == by_position
    assert axes[8] == {"query": places, "key": tuple(range(10))}
    assert axes[9] == {"neuron": tuple(range(64))}
    assert axes[10] == {"set": (0, 1)}
    with pytest.raises(NanoscopeError, match="z cannot be swept along neuron; its axes are layer batch pos head"):
        patching.grid(model, task, "z", "layer", "neuron")


def test_ablations_in_a_sweep_are_ablations_in_a_run() -> None:
    model = random_model()
    task = _task(model)
    reference = run(model, random_tokens(model, 5, 11, 7), keep=["z"]).cache
    order = torch.tensor([4, 3, 2, 1, 0])
    makers = [
        lambda site, _: zero(site),
        lambda site, _: mean(site, reference),
        lambda site, source: resample(site, source, order),
    ]
    source = run(model, task.corrupt, keep=["z"]).cache
    for by in makers:
        grid = patching.heads(model, task)
        found = patching.exact(model, task, metrics.loss, grid, by=by, directions=["noise"]).metric
        assert found.labels("direction") == ("noise",)
        for layer, head in ((0, 1), (2, 0)):
            edit = by(Site("z", layer, head=head), source)
            expected = metrics.loss(metrics.read(run(model, task.clean, [edit]).logits, task), task).numpy()
            assert found.sel(direction="noise", layer=layer, head=head).values == pytest.approx(expected, abs=1e-5)


def test_a_divergence_from_the_clean_run_can_be_swept() -> None:
    model = random_model()
    task = _task(model)
    metric = metrics.kl(metrics.read(run(model, task.clean).logits, task))
    found = patching.exact(model, task, metric, patching.residual_stream(model, task))
    assert found.clean == pytest.approx(np.zeros(5), abs=1e-6)
    edit = patch(Site("resid_pre", 1, pos=4), run(model, task.clean, keep=["resid_pre"]).cache)
    expected = metric(metrics.read(run(model, task.corrupt, [edit]).logits, task), task).numpy()
    assert found.metric.sel(direction="denoise", layer=1, pos=4).values == pytest.approx(expected, abs=1e-5)


def test_the_plan_of_a_sweep_is_what_the_sweep_did() -> None:
    model = random_model()
    task = _task(model)
    cells = patching.heads_by_position(model, task)
    said = patching.plan(model, task, cells, budget=1 << 20)
    did = patching.exact(model, task, metrics.loss, cells, budget=1 << 20).plans[0]
    assert said.explain() == did.explain()
    seen: list[tuple[int, int]] = []
    patching.exact(model, task, metrics.loss, cells, progress=lambda *now: seen.append(now))
    assert seen[-1] == (2 * len(cells.cells), 2 * len(cells.cells))


# ---- estimates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["z", "v", "attn_out", "resid_post", "q", "k"])
def test_an_estimate_is_exact_where_the_metric_is_linear(name: str) -> None:
    """Without norms and MLPs the logits are linear in what the last layer mixes, and in its patterns (the QK fix)."""
    model = random_model(**BARE)
    task = _task(model)
    for axes in (("pos",), ("head", "pos"), ("head",)) if name in "zvqk" else (("pos",),):
        cells = patching.grid(model, task, name, *axes, layer=2)
        true = patching.exact(model, task, metrics.logit_diff, cells).metric.values
        guess = patching.attributed(model, task, metrics.logit_diff, cells)
        assert guess.metric.values == pytest.approx(true, abs=1e-5)
        assert guess.is_exact is not None
        assert not guess.is_exact.any()
        assert guess.rank_correlation is None


def test_without_the_fix_queries_and_keys_are_only_sloped() -> None:
    model = random_model(**BARE)
    task = _task(model)
    cells = patching.grid(model, task, "q", "head", layer=2)
    true = patching.exact(model, task, metrics.logit_diff, cells).metric.values
    sloped, fixed = (
        patching.attributed(model, task, metrics.logit_diff, cells, qk_fix=fix).metric.values for fix in (False, True)
    )
    assert np.abs(sloped - true).max() > 100 * np.abs(fixed - true).max()


def test_an_estimate_of_no_change_is_no_change(variant: GPT) -> None:
    tokens, positions = random_tokens(variant), torch.full((4, 1), 9)
    cache = run(variant, tokens, keep=["q", "k", "z", "resid_pre", "pattern"]).cache
    sites = [Site(name, 1) for name in ("q", "k", "z", "resid_pre")]
    found = estimate(variant, tokens, [[patch(site, cache)] for site in sites], positions, lambda x: x[:, 0, 3])
    assert torch.equal(found, run(variant, tokens, keep=["pattern"]).logits[:, 9, 3].double().expand(4, -1))


def test_the_estimates_slope_is_that_of_small_steps(variant: GPT) -> None:
    """Prediction by intervention: for a small step the estimate is right to second order, q and k by either way.

    The steps are so small that no neuron of a ReLU, whose slope jumps, passes its zero.
    """
    model = variant.double()
    tokens, positions = random_tokens(model), torch.full((4, 1), 9)
    cache = run(model, tokens, keep=["q", "k", "z", "resid_pre"]).cache
    other = run(model, (tokens + 1) % 13, keep=["q", "k", "z", "resid_pre"]).cache

    def errors(step: float) -> torch.Tensor:
        sites = [Site(name, 1, pos=5) for name in ("q", "k", "z", "resid_pre")]
        cells = [[_toward(site, cache, other, step)] for site in sites]
        true = torch.stack([run(model, tokens, cell).logits[:, 9, 3] for cell in cells])
        guess = estimate(model, tokens, cells, positions, lambda x: x[:, 0, 3])
        return (guess - true).abs().amax(1)

    assert (errors(1e-4) <= 0.02 * errors(1e-3) + 1e-12).all()


def _toward(site: Site, here, there, step: float):
    from nanoscope.interventions.edits import Edit

    return Edit(site, here[site] + step * (there[site] - here[site]))


def test_several_edits_of_one_activation_are_estimated_as_what_they_leave() -> None:
    model = random_model(**BARE)
    task = _task(model)
    cache = run(model, task.clean, keep=["z"]).cache
    sites = [Site("z", 2, head=1), Site("z", 2, head=1, pos=4), Site("z", 2, head=0)]
    cell = [zero(sites[0]), patch(sites[1], cache), zero(sites[2])]
    positions = task.positions[:, :1]
    found = estimate(model, task.corrupt, [cell], positions, lambda x: x[:, 0, 3])
    assert found[0].numpy() == pytest.approx(run(model, task.corrupt, cell).logits[:, 9, 3].numpy(), abs=1e-5)


@pytest.mark.parametrize(("write", "least", "most"), [(0.25, 0.95, 1.0), (8.0, 0.0, 0.1)])
def test_a_saturated_softmax_hides_from_slopes_and_not_from_the_fix(
    write: float, least: float, most: float, shakespeare: Corpus
) -> None:
    """The planted model's patterns are one-hot: other keys destroy everything, and a slope sees nothing of it.

    The fix sees it all, where the head writes little. Where its write dominates the residual stream, the final norm
    is saturated as well, which the fix does not cure: an estimate has to be checked.
    """
    model = planted_induction(shakespeare.vocabulary, Planted(write=write)).model
    task = synthetic.copy_task(torch.arange(56), 17, 8, "test", start=65)
    cells = patching.sets([[Site("k", 1, head=0)]])

    def noised(how, **settings) -> float:
        return float(how(model, task, metrics.logit_diff, cells, directions=["noise"], **settings).effect.values[0, 0])

    assert noised(patching.exact) == pytest.approx(1.0, abs=1e-5)
    assert abs(noised(patching.attributed, qk_fix=False)) < 1e-6
    assert least <= noised(patching.attributed) <= most


def test_screening_replays_the_largest_and_says_which() -> None:
    model = random_model()
    task = _task(model)
    cells = patching.heads_by_position(model, task)
    all_exact = patching.exact(model, task, metrics.logit_diff, cells)
    guess = patching.attributed(model, task, metrics.logit_diff, cells)
    some = patching.screened(model, task, metrics.logit_diff, cells, share=0.25)
    assert some.is_exact is not None
    assert some.is_exact.sum(axis=(1, 2, 3)).tolist() == [11, 11]
    assert some.metric.values[some.is_exact] == pytest.approx(all_exact.metric.values[some.is_exact], abs=1e-5)
    assert np.array_equal(some.metric.values[~some.is_exact], guess.metric.values[~some.is_exact])
    size = np.abs(guess.effect.values[0])
    assert size[some.is_exact[0]].min() >= size[~some.is_exact[0]].max()
    whole = patching.screened(model, task, metrics.logit_diff, cells, share=1.0)
    assert whole.metric.values == pytest.approx(all_exact.metric.values, abs=1e-5)
    assert whole.rank_correlation is not None
    expected = [
        scipy.stats.spearmanr(guess.effect.values[n].ravel(), whole.effect.values[n].ravel()).statistic for n in (0, 1)
    ]
    assert whole.rank_correlation.values == pytest.approx(expected)
    with pytest.raises(NanoscopeError, match=r"must lie in \(0, 1\], not 0"):
        patching.screened(model, task, metrics.logit_diff, cells, share=0)
