"""Precision: said by the caller, in force for a block only, recorded with the result, and close to full precision."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.causal import patching
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import patch
from nanoscope.interventions.run import run
from nanoscope.model.precision import arithmetic_of, in_precision
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task


def _task(model) -> Task:
    one = torch.ones(4, 1, dtype=torch.long)
    return Task(random_tokens(model, seed=1), random_tokens(model, seed=2), 3 * one, 5 * one, 9 * one)


def test_half_precision_is_a_copy_and_is_recorded() -> None:
    model = random_model()
    with in_precision(model, "bfloat16") as half:
        assert half.wte.weight.dtype == torch.bfloat16
        found = patching.exact(half, _task(model), metrics.logit_diff, patching.heads(half, _task(model)))
        assert found.arithmetic == "cpu bfloat16" == arithmetic_of(half)
    assert model.wte.weight.dtype == torch.float32
    full = patching.exact(model, _task(model), metrics.logit_diff, patching.heads(model, _task(model)))
    assert full.arithmetic == "cpu float32"
    scale = np.abs(full.metric.values).max()
    error = np.abs(found.metric.values - full.metric.values).max() / scale
    assert 0 < error < 0.05


def test_a_replay_in_half_precision_is_a_forward_in_half_precision() -> None:
    model, task = random_model(bias=True), _task(random_model())
    with in_precision(model, "bfloat16") as half:
        cells = patching.residual_stream(half, task)
        found = patching.exact(half, task, metrics.logit_diff, cells, directions=["denoise"]).metric.values[0]
        source = run(half, task.clean, keep=cells.names).cache
        edits = [[patch(site, source) for site in cell] for cell in cells.cells]
        slow = [metrics.logit_diff(metrics.read(run(half, task.corrupt, e).logits, task), task) for e in edits]
    expected = torch.stack(slow).numpy().reshape(found.shape)
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def test_the_setting_is_given_back() -> None:
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    with in_precision(random_model(), "float32"):
        assert products.fp32_precision == "ieee"
    assert products.fp32_precision == before
    with pytest.raises(NanoscopeError, match="tf32 exists on GPUs only"), in_precision(random_model(), "tf32"):
        pass
