"""The replay engine against its slow twin (one full forward per cell), and what the plan promises."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit, add, mean, patch, resample, zero
from nanoscope.interventions.replay import Cell, base_run, plan, replay
from nanoscope.interventions.replay.plan import forward_flops
from nanoscope.interventions.run import Cache, run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, WHOLE_MODEL, Site, sites_of

TOLERANCE = 2e-6


def _names(model: GPT) -> list[str]:
    return list(sites_of(model.config))


def _measure(logits: torch.Tensor) -> torch.Tensor:
    """Something that sees every read and every vocabulary entry."""
    weights = torch.linspace(-1, 1, logits.shape[-1])
    return (logits.log_softmax(-1) @ weights * torch.arange(1.0, logits.shape[1] + 1)).sum(-1)


def _slow(model: GPT, tokens: torch.Tensor, cells: Sequence[Sequence[Edit]], positions: torch.Tensor) -> torch.Tensor:
    """The definition: one full forward per cell."""
    read = [run(model, tokens, cell).logits.take_along_dim(positions[..., None], 1) for cell in cells]
    return torch.stack([_measure(logits) for logits in read]).double()


def _assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max().clamp_min(1) * 10


def _random_site(rng: random.Random, model: GPT, length: int) -> Site:
    name = rng.choice(_names(model))
    config = model.config
    sizes = {"pos": length, "query": length, "key": length, "head": config.n_head, "neuron": config.d_mlp}
    chosen = {axis: rng.choice([None, rng.randrange(size)]) for axis, size in sizes.items() if axis in AXES[name]}
    return Site(name, None if name in WHOLE_MODEL else rng.randrange(config.n_layer), **chosen)


def _random_edit(rng: random.Random, model: GPT, source: Cache, length: int, batch: int) -> Edit:
    site = _random_site(rng, model, length)
    kind = rng.choice(["patch", "patch", "zero", "mean", "resample", "add"])
    if kind == "zero":
        return zero(site)
    if kind == "resample":
        return resample(site, source, torch.tensor(rng.sample(range(batch), batch)))
    if kind == "add" and site.name != "pattern":
        return add(site, 0.3 * source[site])
    return mean(site, source) if kind == "mean" else patch(site, source)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(sorted(VARIANTS)),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(2, 14)),
    reads=st.integers(1, 3),
    tight=st.booleans(),
)
def test_a_replay_is_a_full_forward_per_cell(
    seed: int, kind: str, shape: tuple[int, int, int, int], reads: int, tight: bool
) -> None:
    """Random models of every kind, texts, reads, cells of several edits (made before, or when needed) and memory budgets."""
    layers, n_head, batch, length = shape
    rng = random.Random(seed)
    model = random_model(seed, n_layer=layers, n_head=n_head, n_embd=8 * n_head, **VARIANTS[kind])
    clean, corrupt = random_tokens(model, batch, length, seed), random_tokens(model, batch, length, seed + 1)
    for row in range(batch):
        same = rng.randrange(length + 1)
        corrupt[row, :same] = clean[row, :same]
    positions = torch.tensor([[rng.randrange(length) for _ in range(reads)] for _ in range(batch)])
    source = run(model, clean, keep=_names(model)).cache
    cells = [
        [_random_edit(rng, model, source, length, batch) for _ in range(rng.choice([0, 1, 1, 1, 2, 4]))]
        for _ in range(25)
    ]
    expected = _slow(model, corrupt, cells, positions)
    cells = [_lazily(rng, cell, batch, length) for cell in cells]
    roomy = replay(model, corrupt, cells, positions, _measure)
    _assert_equal(roomy.values, expected)
    if tight:
        least = replay(model, corrupt, cells, positions, _measure, budget=_least(model, corrupt, cells, positions))
        assert least.plan.peak_bytes <= least.plan.budget
        _assert_equal(least.values, roomy.values)


def test_cells_that_change_different_examples_keep_their_own_patterns() -> None:
    """Row after row of one shape, but of another cell each: a pattern goes to the rows of its cell alone."""
    model = random_model()
    tokens = random_tokens(model, 4, 5, 1)
    base, site = run(model, tokens, keep=["pattern"]).cache, Site("pattern", 1, head=0, query=4)
    cells = []
    for example in range(4):
        value = base[site].clone()
        value[example] = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.0]).roll(example)
        cells.append([Edit(site, value)])
    positions = torch.full((4, 1), 4)
    _assert_equal(replay(model, tokens, cells, positions, _measure).values, _slow(model, tokens, cells, positions))


def _lazily(rng: random.Random, edits: list[Edit], batch: int, length: int) -> list[Edit] | Cell:
    """The edits as they are; or made when they are needed with tensors of their own, their changes declared or found."""
    if rng.random() < 0.5:
        return edits
    sites, everywhere = tuple(edit.site for edit in edits), np.ones((batch, length), dtype=bool)
    own_bytes = sum(edit.to.nbytes for edit in edits)
    make = lambda: [replace(edit, to=edit.to.clone()) for edit in edits]  # noqa: E731
    return Cell(sites, make, rng.choice([None, everywhere]), own_bytes)


def _least(model: GPT, tokens: torch.Tensor, cells: Sequence[Cell | Sequence[Edit]], positions: torch.Tensor) -> int:
    """The smallest budget, to a tenth, in which the sweep runs at all."""
    budget = 1 << 26
    lowest = 0
    while budget - lowest > budget // 10:
        middle = (lowest + budget) // 2
        try:
            plan(model, tokens, cells, positions, budget=middle)
            budget = middle
        except NanoscopeError:
            lowest = middle
    return budget


def _sweep(variant: GPT, first: int = 4, length: int = 11) -> tuple[torch.Tensor, list[list[Edit]], torch.Tensor]:
    """The corrupt text, cells over every layer and position of the residual stream, and the read at the end."""
    clean, corrupt = random_tokens(variant, 3, length, 1), random_tokens(variant, 3, length, 2)
    corrupt[:, :first] = clean[:, :first]
    corrupt[:, first] = (clean[:, first] + 1) % variant.config.vocab_size
    source = run(variant, clean, keep=["resid_pre"]).cache
    layers = range(variant.config.n_layer)
    cells: list[list[Edit]] = [[patch(Site("resid_pre", n, pos=p), source)] for n in layers for p in range(length)]
    return corrupt, cells, torch.full((3, 1), length - 1)


def test_cells_before_the_first_difference_are_free_and_exactly_without_effect(variant: GPT) -> None:
    corrupt, cells, positions = _sweep(variant)
    found = replay(variant, corrupt, cells, positions, _measure)
    before = [n for n in range(len(cells)) if n % 11 < 4]
    assert torch.equal(found.values[before], found.base.expand(len(before), -1))
    assert found.plan.trivial >= len(before)
    alone = plan(variant, corrupt, [cells[n] for n in before], positions)
    assert alone.needed_flops == 0
    assert alone.packs == ()


def test_what_the_reads_cannot_see_is_not_run(variant: GPT) -> None:
    """After the last block only the read's own position matters; before it, nothing that comes later."""
    corrupt, _, _ = _sweep(variant)
    source = run(variant, random_tokens(variant, 3, 11, 1), keep=["resid_post", "resid_pre"]).cache
    last, read = variant.config.n_layer - 1, torch.full((3, 1), 7)
    elsewhere = [[patch(Site("resid_post", last, pos=p), source)] for p in range(11) if p != 7]
    later = [[patch(Site("resid_pre", 0, pos=p), source)] for p in range(8, 11)]
    assert plan(variant, corrupt, elsewhere + later, read).trivial == len(elsewhere) + 3
    here = replay(variant, corrupt, [[patch(Site("resid_post", last, pos=7), source)]], read, _measure)
    assert here.plan.trivial == 0
    assert here.plan.needed_flops == 3 * 2 * variant.config.n_embd * variant.config.vocab_size


def test_no_edit_is_the_base_run_bit_for_bit(variant: GPT) -> None:
    tokens, _, positions = _sweep(variant)
    itself = run(variant, tokens, keep=["resid_pre"]).cache
    found = replay(variant, tokens, [[], [patch(Site("resid_pre", 1), itself)]], positions, _measure)
    assert torch.equal(found.values, found.base.expand(2, -1))
    assert found.plan.trivial == 2


def test_the_order_of_cells_and_examples_does_not_matter(variant: GPT) -> None:
    corrupt, cells, positions = _sweep(variant)
    found = replay(variant, corrupt, cells, positions, _measure).values
    order = torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))
    shuffled = replay(variant, corrupt, [cells[n] for n in order], positions, _measure).values
    _assert_equal(shuffled, found[order])
    clean = random_tokens(variant, 3, 11, 1)
    source = run(variant, clean[2:], keep=["resid_pre"]).cache
    alone = [[patch(edit.site, source) for edit in cell] for cell in cells]
    _assert_equal(replay(variant, corrupt[2:], alone, positions[2:], _measure).values, found[:, 2:])


def test_the_number_of_threads_does_not_matter() -> None:
    model = random_model(n_embd=64, n_head=4)
    corrupt, cells, positions = _sweep(model)
    one = replay(model, corrupt, cells, positions, _measure).values
    torch.set_num_threads(2)
    try:
        two = replay(model, corrupt, cells, positions, _measure).values
    finally:
        torch.set_num_threads(1)
    _assert_equal(two, one)


def test_edits_of_one_activation_are_made_in_their_order() -> None:
    model = random_model()
    tokens, _, positions = _sweep(model)
    site, part = Site("resid_pre", 1), Site("resid_pre", 1, pos=6)
    bump = add(part, torch.arange(16.0))
    cells = [[zero(site), bump], [bump, zero(site)]]
    found = replay(model, tokens, cells, positions, _measure).values
    _assert_equal(found, _slow(model, tokens, cells, positions))
    assert (found[0] != found[1]).all()


def test_many_reads_and_few_take_different_ways_to_the_same_values(variant: GPT) -> None:
    """Few queries of the last layer meet the residual stream itself, many meet keys and values."""
    corrupt, cells, _ = _sweep(variant, first=0)
    many = torch.arange(11).repeat(3, 1)
    measure = lambda logits: logits[:, -1, 3]  # noqa: E731
    few = replay(variant, corrupt, cells, many[:, -1:], measure)
    all_reads = replay(variant, corrupt, cells, many, measure)
    _assert_equal(few.values, all_reads.values)
    assert few.plan.needed_flops < all_reads.plan.needed_flops


def test_resetting_an_activation_undoes_what_came_before() -> None:
    """An edit to the base run's own value is no change, and yet it is an intervention where an earlier one changed it."""
    model = random_model()
    tokens, _, positions = _sweep(model)
    cache = run(model, tokens, keep=["resid_pre"]).cache
    cells = [[zero(Site("resid_pre", 0, pos=2)), patch(Site("resid_pre", 1), cache)]]
    found = replay(model, tokens, cells, positions, _measure)
    _assert_equal(found.values, found.base[None])


def test_the_work_is_counted_exactly() -> None:
    """By hand, for one cell: a change at position p into layer 1 of 3, one read at the end of T positions."""
    model = random_model(n_layer=3)
    tokens, cells, positions = _sweep(model, first=0)
    d, length, p, vocabulary = 16, 11, 4, model.config.vocab_size
    n, square = length - p, 2 * 16 * 16
    seen = sum(range(p + 1, length + 1))
    entered = 3 * square + 4 * d * seen + 9 * square * n
    query = square + 2 * square + 4 * d * (p + model.config.n_head * n)  # its wide query, and the mixed stream's value
    last = query + 9 * square + 2 * d * vocabulary
    cell = [cells[length + p]]
    assert plan(model, tokens, cell, positions).needed_flops == 3 * (entered + last)
    whole = [[patch(Site("resid_pre", 0), run(model, (tokens + 1) % vocabulary, keep=["resid_pre"]).cache)]]
    everywhere = torch.arange(length).repeat(3, 1)
    all_of_it = plan(model, tokens, whole, everywhere)
    assert all_of_it.needed_flops == all_of_it.plain_flops == 3 * forward_flops(model.config, length)
    assert all_of_it.forwards_saved == 0


def test_a_forwards_work_is_what_torch_counts(variant: GPT) -> None:
    """Its counter takes attention for all pairs of positions, the plan for those that see one another."""
    config, length = variant.config, 11
    with FlopCounterMode(display=False) as counted:
        run(variant, random_tokens(variant, 1, length, 1), keep=["pattern"])
    unseen = 2 * config.n_layer * config.d_attention * length * (length - 1)
    assert forward_flops(config, length) == counted.get_total_flops() - unseen


def test_a_plan_explains_itself() -> None:
    model = random_model()
    tokens, cells, positions = _sweep(model)
    text = str(plan(model, tokens, cells, positions, budget=1 << 24))
    assert "33 cells of 3 examples, 12 of them with exactly no effect" in text
    for word in ("replays instead of 33 forwards", "GFLOP needed", "by full forwards", "budget 16 MiB"):
        assert word in text


def test_progress_counts_cells_and_ends_with_all_of_them() -> None:
    model = random_model()
    tokens, cells, positions = _sweep(model)
    seen: list[tuple[int, int]] = []
    budget = _least(model, tokens, cells, positions) * 3
    replay(model, tokens, cells, positions, _measure, budget=budget, progress=lambda *now: seen.append(now))
    assert seen[0] == (12, 33)
    assert seen[-1] == (33, 33)
    assert len(seen) > 3
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_run_at_hand_is_used() -> None:
    model = random_model()
    tokens, cells, positions = _sweep(model)
    base = base_run(model, tokens, ["resid_pre"])
    again = replay(model, tokens, cells, positions, _measure, base=base)
    assert torch.equal(again.values, replay(model, tokens, cells, positions, _measure).values)


def test_what_cannot_be_replayed_is_refused() -> None:
    model = random_model()
    tokens, cells, positions = _sweep(model)
    with pytest.raises(NanoscopeError, match=r"one example of one cell needs .* MiB; raise the budget"):
        replay(model, tokens, cells, positions, _measure, budget=100)
    with pytest.raises(NanoscopeError, match="no layer 3"):
        replay(model, tokens, [[zero(Site("z", 3))]], positions, _measure)
    with pytest.raises(NanoscopeError, match="attend to a later position"):
        replay(model, tokens, [[Edit(Site("pattern", 0, query=2, key=5), torch.ones(()))]], positions, _measure)
    with pytest.raises(NanoscopeError, match="does not fit"):
        replay(model, tokens, [[Edit(Site("z", 0, head=1), torch.zeros(3))]], positions, _measure)
    with pytest.raises(NanoscopeError, match=r"call model.eval"):
        replay(random_model().train(), tokens, cells, positions, _measure)


def test_no_cells_are_no_work() -> None:
    model = random_model()
    tokens, _, positions = _sweep(model)
    found = replay(model, tokens, [], positions, _measure)
    assert found.values.shape == (0, 3)
    assert found.plan.needed_flops == 0
    assert "0 cells" in found.plan.explain()


def test_the_model_and_its_base_run_are_left_as_they_were() -> None:
    model = random_model()
    tokens, cells, positions = _sweep(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    base = base_run(model, tokens, ["resid_pre"])
    kept = {key: base.cache[key].clone() for key in base.cache}
    replay(model, tokens, cells, positions, _measure, base=base)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(base.cache[key], value) for key, value in kept.items())
    assert np.isfinite(base.logits.numpy()).all()
