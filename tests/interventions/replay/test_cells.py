"""Cells that make their edits when their pack runs: the same values, in the memory of one pack."""

import weakref

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit, patch
from nanoscope.interventions.replay import Cell, base_run, plan, replay
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site

EXAMPLES, LENGTH, FIRST = 3, 10, 4
POSITIONS = torch.full((EXAMPLES, 1), LENGTH - 1)
CHANGES = np.broadcast_to(np.arange(LENGTH) >= FIRST, (EXAMPLES, LENGTH))


def _measure(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 0, 3] - logits[:, 0, 5]


def _texts(model: GPT) -> tuple[torch.Tensor, torch.Tensor]:
    clean = random_tokens(model, EXAMPLES, LENGTH, 1)
    corrupt = clean.clone()
    corrupt[:, FIRST:] = (clean[:, FIRST:] + 5) % model.config.vocab_size
    return clean, corrupt


class Maker:
    """Makes edits of single heads' queries, keys and values with tensors of their own, and counts those alive."""

    def __init__(self, model: GPT, clean: torch.Tensor, corrupt: torch.Tensor) -> None:
        self.own, self.other = (run(model, tokens, keep=["q", "k", "v"]).cache for tokens in (corrupt, clean))
        self.alive: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
        self.most = self.calls = 0

    def edit(self, site: Site, share: float) -> Edit:
        value = self.own[site] + share * (self.other[site] - self.own[site])
        self.alive.add(value)
        self.calls += 1
        self.most = max(self.most, sum(tensor.nbytes for tensor in self.alive))
        return Edit(site, value)

    def cell(self, sites: tuple[Site, ...], share: float, changes: np.ndarray | None = CHANGES) -> Cell:
        own_bytes = sum(self.own[site].nbytes for site in sites)
        return Cell(sites, lambda: [self.edit(site, share) for site in sites], changes, own_bytes)


def _sites(model: GPT) -> list[Site]:
    config = model.config
    return [Site(name, n, head=h) for name in "qkv" for n in range(config.n_layer) for h in range(config.n_head)]


def test_two_thousand_edits_of_their_own_need_the_memory_of_one_pack() -> None:
    model = random_model()
    clean, corrupt = _texts(model)
    maker = Maker(model, clean, corrupt)
    cells = [maker.cell((site,), n / 100) for n in range(1, 112) for site in _sites(model)]
    assert len(cells) == 1998
    total = sum(cell.own_bytes for cell in cells)
    budget = total // 10
    found = replay(model, corrupt, cells, POSITIONS, _measure, budget=budget)
    assert maker.calls == len(cells) - found.plan.trivial > 1000, "made once each, and only where one is replayed"
    assert maker.most <= max(sum(cells[n].own_bytes for n in pack.cells) for pack in found.plan.packs) < budget
    assert found.plan.peak_bytes <= budget
    assert not maker.alive
    eager = [list(cell.make()) for cell in cells]
    expected = replay(model, corrupt, eager, POSITIONS, _measure, verify=20).values
    assert found.values.numpy() == pytest.approx(expected.numpy(), abs=2e-5)


def test_own_tensors_count_against_the_budget() -> None:
    model = random_model()
    clean, corrupt = _texts(model)
    maker = Maker(model, clean, corrupt)
    small = [maker.cell((site,), 1.0) for site in _sites(model)]
    large = [Cell(cell.sites, cell.make, cell.changes, own_bytes=100_000) for cell in small]
    roomy, tight = (plan(model, corrupt, cells, POSITIONS, budget=700_000) for cells in (small, large))
    assert len(tight.packs) > len(roomy.packs)
    assert all(len(pack.cells) * 100_000 < 700_000 for pack in tight.packs)
    with pytest.raises(NanoscopeError, match="one example of one cell needs"):
        plan(model, corrupt, large, POSITIONS, budget=99_000)


@pytest.mark.parametrize("changes", [None, CHANGES, np.ones((EXAMPLES, LENGTH), dtype=bool)])
def test_declared_changes_give_the_values_of_compared_ones(variant: GPT, changes: np.ndarray | None) -> None:
    """Several edits a cell, at different sites and layers; a declaration may be wider than what changes."""
    clean, corrupt = _texts(variant)
    maker = Maker(variant, clean, corrupt)
    groups = [(Site("q", 1, head=0), Site("k", 1, pos=6), Site("v", 2, head=1)), (Site("q", 0), Site("k", 2, pos=9))]
    cells = [maker.cell(sites, 0.7, changes) for sites in groups]
    found = replay(variant, corrupt, cells, POSITIONS, _measure, verify=2).values
    expected = replay(variant, corrupt, [list(cell.make()) for cell in cells], POSITIONS, _measure).values
    assert found.numpy() == pytest.approx(expected.numpy(), abs=2e-5)


def test_planning_makes_no_edit_whose_changes_are_declared() -> None:
    model = random_model()
    clean, corrupt = _texts(model)
    maker = Maker(model, clean, corrupt)
    sites = _sites(model)
    declared = plan(model, corrupt, [maker.cell((site,), 1.0) for site in sites], POSITIONS)
    assert maker.calls == 0
    compared = plan(model, corrupt, [maker.cell((site,), 1.0, None) for site in sites], POSITIONS)
    assert (maker.calls, len(maker.alive)) == (len(sites), 0)
    assert declared.needed_flops == compared.needed_flops


def test_a_cell_that_does_other_than_it_declares_is_refused() -> None:
    model = random_model()
    clean, corrupt = _texts(model)
    source = run(model, clean, keep=["q"]).cache
    site, base = Site("q", 1), base_run(model, corrupt, ["q"])
    late = np.broadcast_to(np.arange(LENGTH) > FIRST, (EXAMPLES, LENGTH))
    with pytest.raises(NanoscopeError, match=r"an edit of L1\.q changes it where its cell declares no change"):
        replay(model, corrupt, [Cell((site,), lambda: [patch(site, source)], late)], POSITIONS, _measure, base=base)
    cell = Cell((Site("q", 1, head=0),), lambda: [patch(site, source)], CHANGES)
    with pytest.raises(NanoscopeError, match=r"declares edits of L1H0\.q but creates edits of L1\.q"):
        replay(model, corrupt, [cell], POSITIONS, _measure, base=base)
    with pytest.raises(NanoscopeError, match="no layer 9"):
        replay(model, corrupt, [Cell((Site("q", 9),), list, CHANGES)], POSITIONS, _measure)
    with pytest.raises(NanoscopeError, match=r"of shape \[2, 10\], where the texts have \[3, 10\]"):
        replay(model, corrupt, [Cell((site,), list, CHANGES[:2])], POSITIONS, _measure)
