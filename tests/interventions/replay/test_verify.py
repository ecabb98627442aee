"""Verification of a sweep: sound ones pass in every arithmetic, and whatever is broken is named."""

from itertools import count

import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.errors import NanoscopeError
from nanoscope.interventions import replay as engine
from nanoscope.interventions.edits import Edit, patch, zero
from nanoscope.interventions.replay import Cell, replay
from nanoscope.interventions.replay.cells import as_cell
from nanoscope.interventions.replay.verify import tolerance
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.precision import in_precision
from nanoscope.model.sites import Site

POSITIONS = torch.full((4, 1), 9)


def _measure(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 0, 3] - logits[:, 0, 5]


def _cells(model: GPT) -> list[list[Edit]]:
    source = run(model, random_tokens(model, seed=1), keep=["z"]).cache
    return [[patch(Site("z", layer, head=head), source)] for layer in range(3) for head in range(2)]


def test_a_sound_sweep_is_verified(variant: GPT) -> None:
    tokens, cells = random_tokens(variant), _cells(variant)
    found = replay(variant, tokens, cells, POSITIONS, _measure, verify=100)
    assert torch.equal(found.values, replay(variant, tokens, cells, POSITIONS, _measure).values)
    replay(variant, tokens, [], POSITIONS, _measure, verify=3)
    with pytest.raises(NanoscopeError, match="must not be negative, but is -1"):
        replay(variant, tokens, cells, POSITIONS, _measure, verify=-1)


def test_half_precision_is_verified_with_its_own_tolerance() -> None:
    model = random_model(bias=True)
    assert tolerance(model) == pytest.approx(3.5e-4, rel=0.02)
    with in_precision(model, "bfloat16") as half:
        assert tolerance(half) == pytest.approx(0.088, rel=0.01)
        replay(half, random_tokens(half), _cells(half), POSITIONS, _measure, verify=6)


def test_a_value_in_the_wrong_cell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells' rows exchanged: every value is a right one, of another cell."""
    honest = engine.replay_rows

    def exchanged(context, edits, rows, logits) -> None:
        honest(context, edits, rows, logits)
        logits.copy_(logits.flip(0))

    monkeypatch.setattr(engine, "replay_rows", exchanged)
    model = random_model()
    with pytest.raises(NanoscopeError, match=r"cell 0 \(L0H0\.z\) differs from a full forward by up to"):
        replay(model, random_tokens(model), _cells(model), POSITIONS, _measure, verify=2)


def test_only_the_chosen_cells_are_run_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced, the first and the last among them: one spoiled cell in the middle is seen by three, not by two."""
    model = random_model()
    tokens = random_tokens(model)
    cells = [*_cells(model), [zero(Site("z", 1))]]
    spoiled = engine.make_plan

    def planned_without_the_middle(model, base, cells, positions, budget):
        return spoiled(model, base, [*cells[:3], as_cell([]), *cells[4:]], positions, budget)

    monkeypatch.setattr(engine, "make_plan", planned_without_the_middle)
    replay(model, tokens, cells, POSITIONS, _measure, verify=2)
    with pytest.raises(NanoscopeError, match=r"cell 3 \(L1H1\.z\)"):
        replay(model, tokens, cells, POSITIONS, _measure, verify=3)


def test_a_cell_that_makes_other_values_at_every_call_is_found() -> None:
    """Planned with one value, replayed with another, and verified with a third."""
    model, calls = random_model(), count()

    def make() -> list[Edit]:
        return [Edit(Site("z", 1), torch.full((), float(next(calls))))]

    with pytest.raises(NanoscopeError, match=r"cell 0 \(L1\.z\)"):
        replay(model, random_tokens(model), [Cell((Site("z", 1),), make)], POSITIONS, _measure, verify=1)


def test_a_replay_that_gives_no_number_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = engine.replay_rows

    def spoiled(context, edits, rows, logits) -> None:
        honest(context, edits, rows, logits)
        logits[-1] = float("nan")

    monkeypatch.setattr(engine, "replay_rows", spoiled)
    model = random_model()
    with pytest.raises(NanoscopeError, match="differs from a full forward by up to nan"):
        replay(model, random_tokens(model), _cells(model), POSITIONS, _measure, verify=100)
