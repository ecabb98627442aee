"""Dropout: what it keeps, what it draws on, and what it leaves to PyTorch's generator alone."""

import math

import pytest
import torch

from nanoscope.model.dropout import drop, words


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5, 0.9])
def test_the_share_dropped_is_the_probability(probability: float) -> None:
    """Within five standard errors of a binomial; what is kept is scaled so that the mean stays."""
    torch.manual_seed(0)
    y = drop(torch.ones(1000, 1000), probability)
    assert (y == 0).double().mean().item() == pytest.approx(
        probability, abs=5 * math.sqrt(probability * (1 - probability) / 1e6)
    )
    assert y.unique().tolist() == [0.0, pytest.approx(1 / (1 - probability), rel=1e-3)]


def test_masks_follow_the_seed_of_torch_and_differ_from_call_to_call() -> None:
    x = torch.ones(3, 5, 7)
    torch.manual_seed(1)
    first, second = drop(x, 0.5), drop(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(drop(x, 0.5), first)
    assert not torch.equal(first, second)


def test_gradients_pass_through_the_same_mask() -> None:
    x = torch.randn(64, 64, requires_grad=True)
    y = drop(x, 0.3)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x, y)


def test_words_are_uniform_and_neighbours_are_independent() -> None:
    """Chi-squared over the high byte, and the lag-one correlation, of a million words."""
    torch.manual_seed(2)
    drawn = words(1_000_003).double()
    assert len(drawn) == 1_000_003
    counts = torch.histc(drawn, 256, -32768, 32768)
    chi = ((counts - len(drawn) / 256).square() / (len(drawn) / 256)).sum().item()
    assert abs(chi - 255) < 5 * math.sqrt(2 * 255)
    assert abs(torch.corrcoef(torch.stack((drawn[1:], drawn[:-1])))[0, 1].item()) < 5e-3


def test_nothing_is_dropped_at_probability_zero() -> None:
    x = torch.randn(4, 4)
    assert torch.equal(drop(x, 0.0), x)
