"""Self-checks: they hold on every kind of model, and a broken one is refused by name."""

import pytest
import torch
from conftest import random_model

from nanoscope.analysis.prediction import direct_attribution
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.experiments import self_checks
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT


def test_every_identity_holds(variant: GPT) -> None:
    assert [check.name for check in self_checks.self_checks(variant) if not check.passed] == []
    self_checks.require_sound(variant)


def test_they_hold_on_the_planted_and_the_canonical_model(planted: Checkpoint) -> None:
    self_checks.require_sound(planted.model)
    self_checks.require_sound(GPT(GPTConfig(dropout=0.2)).eval())


def test_a_model_in_training_mode_is_refused() -> None:
    """Dropout: no run can be repeated."""
    torch.manual_seed(0)
    with pytest.raises(NanoscopeError, match="fails a self-check, so it is not analysed: patching a run with its own"):
        self_checks.require_sound(GPT(GPTConfig(n_layer=2, n_head=2, n_embd=16, dropout=0.2)).train())


def test_a_model_that_overflows_is_refused() -> None:
    model = random_model()
    model.lm_head.weight.mul_(1e38)
    with pytest.raises(NanoscopeError, match="self-check"):
        self_checks.require_sound(model)


def test_a_wrong_decomposition_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one head's write out, as a bug would."""
    whole = direct_attribution.parts
    monkeypatch.setattr(
        direct_attribution, "parts", lambda model, cache: [*whole(model, cache)[:-1], torch.zeros(1, 16, 16)]
    )
    broken = {check.name for check in self_checks.self_checks(random_model(bias=True)) if not check.passed}
    assert broken >= {"embeddings + heads + MLPs + biases = residual stream"}
