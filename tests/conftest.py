"""Fixtures, and shape checks: under pytest every annotated array argument is checked by jaxtyping and beartype."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell that starts tests in the background has them, and all that they start, ignore Ctrl-C."""
from typing import Any

import jaxtyping
import pytest
import torch

jaxtyping.install_import_hook("nanoscope", "shapes.checked")

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.text.corpora import Corpus, open_corpus
from nanoscope.text.vocabulary import Vocabulary

torch.set_num_threads(1)

MINUTES = ("training/test_loop.py", "experiments/test_experiments.py", "test_readme.py", "report/test_published.py")
"""Files that take minutes: they come first, so that no worker is left alone with one when the others have ended."""
Call = Callable[..., tuple[int, str, str]]
"""The command line, called with arguments: (exit code, stdout, stderr)."""
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
LETTERS = Vocabulary(tuple(chr(ord("a") + number) for number in range(26)))
VARIANTS = {
    "nanogpt": {},
    "gpt2": {"bias": True, "activation": "gelu_tanh"},
    "untied": {"tied_head": False, "head_bias": True, "activation": "relu"},
    "attention_only": {"attention_only": True, "bias": True},
    "rms": {"norm": "rms", "attention_scale": "d_model"},
    "narrow_mlp": {"n_inner": 24, "bias": True},
    "no_positions": {"positions": "none", "n_inner": 80},
    "sinusoids": {"positions": "sinusoid", "tied_head": False},
    "bare": {"norm": "none", "final_norm": False, "attention_scale": "none"},
    "post_norm": {"norm_position": "post", "final_norm": False, "bias": True, "activation": "relu"},
    "post_attention_only": {"norm_position": "post", "norm": "rms", "attention_only": True, "tied_head": False},
    "llama": {
        "positions": "rotary",
        "norm": "rms",
        "gated_mlp": True,
        "activation": "silu",
        "n_kv_head": 1,
        "n_inner": 24,
    },
    "wide_heads": {"n_kv_head": 1, "head_dim": 6, "activation": "relu2", "bias": True},
    "pythia": {
        "positions": "rotary",
        "rotary_dims": 4,
        "rotary_base": 50.0,
        "parallel": True,
        "bias": True,
        "tied_head": False,
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not str(item.path).endswith(MINUTES))


def random_model(seed: int = 0, scale: float = 3.0, **changes: Any) -> GPT:
    """A small model whose weights are large enough that every part matters."""
    torch.manual_seed(seed)
    settings = {"n_layer": 3, "n_head": 2, "n_embd": 16, "block_size": 24, "vocab_size": 13}
    model = GPT(GPTConfig(**(settings | changes))).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02 * scale)
        if parameter.dim() == 2:
            parameter.mul_(scale)
    return model


def random_tokens(model: GPT, batch: int = 4, length: int = 11, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.config.vocab_size, (batch, length), generator=generator)


@pytest.fixture(scope="session")
def shakespeare() -> Corpus:
    if "NANOSCOPE_DATA" not in os.environ and (SHARED / "tinyshakespeare.txt").exists():
        os.environ["NANOSCOPE_DATA"] = str(SHARED / "tinyshakespeare.txt")
    try:
        return open_corpus()
    except NanoscopeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def planted(shakespeare: Corpus) -> Checkpoint:
    return planted_induction(shakespeare.vocabulary)


@pytest.fixture(scope="session")
def small_planted() -> Checkpoint:
    """The same circuit over 26 symbols."""
    return planted_induction(LETTERS, Planted(context=33))


@pytest.fixture(scope="session")
def gentle_planted() -> Checkpoint:
    """The same, where no attention is saturated, so that gradients see it."""
    return planted_induction(LETTERS, Planted(sharpness_previous=6, sharpness_induction=6, context=33))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> GPT:
    """One small random model of every kind that people bring."""
    return random_model(**VARIANTS[request.param])


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: (exit code, stdout, stderr). Anything but SystemExit fails the test."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        printed, complaint = capsys.readouterr()
        return code, printed, complaint

    return run
