"""A model that was trained on shorter windows than its context is read at the positions that it knows."""

from pathlib import Path

import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.checkpoints.checkpoint import load
from nanoscope.checkpoints.formats.trained_positions import trained_positions

RELEASED = Path(__file__).parents[2] / "trained_models" / "shakespeare_char_model"


def table(trained: int, size: int = 128, width: int = 96, similarity: float = 0.6, seed: int = 0) -> torch.Tensor:
    """Position embeddings whose first rows are alike, as after training, and whose others are as at the start."""
    generator = torch.Generator().manual_seed(seed)
    rows = 0.02 * torch.randn(size, width, generator=generator)
    shared = torch.randn(width, generator=generator)
    own = (1 - similarity) ** 0.5 * torch.randn(trained, width, generator=generator)
    rows[:trained] = 0.05 * (own + shared * similarity**0.5)
    return rows


@pytest.mark.parametrize("trained", [8, 32, 33, 100, 120])
@pytest.mark.parametrize("seed", range(4))
def test_the_last_trained_position_is_found_exactly(trained: int, seed: int):
    assert trained_positions(table(trained, similarity=0.8, seed=seed)) == trained


@pytest.mark.parametrize("trained", [0, 4, 124, 128])
@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_is_untrained_or_trained_throughout_is_left_alone(trained: int, seed: int):
    assert trained_positions(table(trained, seed=seed)) == 128


def test_a_few_neighbours_that_are_alike_by_chance_decide_nothing():
    rows = table(0)
    rows[40] = rows[41]
    rows[2] = rows[3]
    assert trained_positions(rows) == 128
    assert trained_positions(torch.zeros(64, 8)) == 64
    assert trained_positions(torch.ones(1, 8)) == 1


def test_the_released_model_was_trained_on_its_whole_context():
    assert trained_positions(load(RELEASED).model.wpe.weight) == 128


def test_such_a_file_is_opened_with_the_context_of_its_training_and_says_so(tmp_path: Path):
    model = random_model(block_size=64, n_embd=32)
    model.wpe.weight.copy_(table(24, 64, 32, similarity=0.9))
    args = {"n_head": 2, "bias": False}
    torch.save({"model": model.state_dict(), "model_args": args}, tmp_path / "ckpt.pt")
    opened = load(tmp_path / "ckpt.pt")
    assert opened.model.config.block_size == 24
    assert any("positions 24 to 63 were never trained" in note for note in opened.notes)
    tokens = random_tokens(model, length=24)
    assert torch.equal(opened.model(tokens), model(tokens))
