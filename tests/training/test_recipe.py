"""Which precision a training takes when nobody says: both ends of the question to the processor, and of the recipe."""

from collections.abc import Callable

import pytest
import torch

from nanoscope.cli.training import TrainCommand, _recipe
from nanoscope.training.recipe import NATIVE_BFLOAT16, native_precision


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A processor that answers each of torch's questions as told; None for a torch that has no such question."""

    def answering(*answers: bool | None) -> None:
        for name, answer in zip(NATIVE_BFLOAT16, answers, strict=True):
            monkeypatch.delattr(torch.cpu, name, raising=False)
            if answer is not None:
                monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)

    return answering


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((False, False), "float32"),
        ((True, False), "bfloat16"),
        ((False, True), "bfloat16"),
        ((None, True), "bfloat16"),
        ((None, False), "float32"),
        ((None, None), "float32"),
    ],
)
def test_a_processor_takes_bfloat16_only_where_it_multiplies_it(
    answers: tuple[bool | None, bool | None], expected: str, processor: Callable[..., None]
) -> None:
    processor(*answers)
    assert native_precision("cpu") == expected
    assert _recipe(TrainCommand(device="cpu")).precision == expected


def test_a_gpu_takes_bfloat16_whatever_the_processor_says(processor: Callable[..., None]) -> None:
    processor(False, False)
    assert native_precision("cuda") == native_precision("cuda:1") == "bfloat16"


@pytest.mark.parametrize("said", ["float32", "bfloat16"])
def test_a_precision_that_is_said_is_taken(said: str, processor: Callable[..., None]) -> None:
    for answer in (False, True):
        processor(answer, answer)
        assert _recipe(TrainCommand(device="cpu", precision=said)).precision == said
