"""What a plan says of memory, held to what torch really allocates: beside the weights and the cached runs."""

from collections.abc import Callable

import pytest
import torch
from conftest import random_model, random_tokens
from torch.profiler import ProfilerActivity, profile

from nanoscope.interventions.edits import Edit, patch
from nanoscope.interventions.replay import Cell, base_run, replay
from nanoscope.interventions.run import run
from nanoscope.model.sites import WHOLE_MODEL, Site

SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 64, "vocab_size": 31}


def _peak(work: Callable[[], object]) -> int:
    """The most bytes of tensors that some work holds at once, above what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    assert profiled.profiler is not None
    now = most = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("name", "reads", "changes"),
    [
        ("embed", 1, {}),
        ("resid_pre", 64, {"bias": True, "activation": "gelu_tanh"}),
        ("q", 1, {}),
        ("v", 64, {"attention_only": True}),
        ("embed", 64, {"n_inner": 32}),
        ("pre", 1, {}),
        ("post", 64, {"n_inner": 1024}),
        ("scores", 1, {}),
        ("pattern", 1, {"n_head": 16}),
    ],
)
def test_a_plans_peak_is_what_is_allocated(name: str, reads: int, changes: dict) -> None:
    """Never less than what is used, and not twice as much: so each constant is wrong by less than 2."""
    model = random_model(**(SHAPE | {"block_size": 64} | changes))
    clean, corrupt = random_tokens(model, 4, 64, 1), random_tokens(model, 4, 64, 2)
    source, base = run(model, clean, keep=[name]).cache, base_run(model, corrupt, [name])
    cells = [[patch(Site(name, None if name in WHOLE_MODEL else 0), source)] for _ in range(32)]
    positions = torch.arange(64 - reads, 64).expand(4, -1)
    found = []
    used = _peak(
        lambda: found.append(replay(model, corrupt, cells, positions, lambda x: x[:, -1, 3], base=base, budget=1 << 30))
    )
    assert len(found[0].plan.packs) > 1
    assert 0.55 * found[0].plan.peak_bytes <= used <= found[0].plan.peak_bytes


def test_the_edits_own_tensors_are_in_the_peak() -> None:
    """Small activations, and many times as much in tensors that each cell makes and the pack holds together."""
    model = random_model(**SHAPE, block_size=16)
    tokens, site = random_tokens(model, 32, 16), Site("q", 1, pos=15)
    base = base_run(model, tokens, ["q"])

    def make() -> list[Edit]:
        return [Edit(site, torch.ones(32, 500, 4, 16)[:, 0])]

    cells = [Cell((site,), make, own_bytes=32 * 500 * 4 * 16 * 4) for _ in range(40)]
    positions, found = torch.full((32, 1), 15), []
    used = _peak(
        lambda: found.append(replay(model, tokens, cells, positions, lambda x: x[:, 0, 3], base=base, budget=60 << 20))
    )
    assert 0.55 * found[0].plan.peak_bytes <= used <= found[0].plan.peak_bytes <= 60 << 20
    assert len(found[0].plan.packs) > 2
