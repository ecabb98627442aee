"""Memory is counted as it is held: what is freed counts no more, views count nothing, and gradients count."""

import torch

from nanoscope.analysis.circuits.cost import peak_bytes

MILLION = 4_000_000
"""Bytes of a million numbers."""


def test_what_is_freed_counts_no_more() -> None:
    def three_at_once() -> torch.Tensor:
        first = torch.zeros(1000, 1000)
        for _ in range(5):
            second = (first + 1) * 2
        return second

    assert peak_bytes(three_at_once) == 4 * MILLION, "first, its sum, the product, and that of the round before"


def test_views_and_changes_in_place_need_nothing() -> None:
    given = torch.zeros(1000, 1000)
    assert peak_bytes(lambda: given.view(-1)[:3].add_(1)) == 0
    assert peak_bytes(lambda: given.t().reshape(-1)) == MILLION, "a copy, for the order is another"


def test_what_a_derivative_needs_is_held_until_it_is_taken() -> None:
    weight = torch.ones(1000, 1000, requires_grad=True)
    plain = peak_bytes(lambda: weight.detach().sin().sin().sin().sum())
    derived = peak_bytes(lambda: torch.autograd.grad(weight.sin().sin().sin().sum(), weight))
    assert plain == 2 * MILLION
    assert derived >= 3 * MILLION
