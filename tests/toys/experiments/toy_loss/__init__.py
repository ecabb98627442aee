"""The loss at the end of a training, and how many checkpoints there are. It obeys TOY_KILL and TOY_FAIL."""

import os
import signal
from pathlib import Path

import toy_study

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import Question
from nanoscope.experiments.experiment import Experiment, Subject, Sweeps
from nanoscope.experiments.measuring import in_one_stage
from nanoscope.experiments.pages import Page
from nanoscope.training.evaluate import consecutive_windows, evaluate


def loss(subject: Subject, params: toy_study.Params) -> float:
    tokens = subject.corpus.split(subject.checkpoint.vocabulary)[1]
    windows = consecutive_windows(tokens, min(24, subject.checkpoint.model.config.block_size))
    return evaluate(subject.checkpoint.model, windows[: params.windows])


def measure(subject: Subject, params: toy_study.Params) -> Sweeps:
    if os.environ.get("TOY_FAIL") == subject.label:
        raise NanoscopeError("this toy\nis broken")
    mark = os.environ.get("TOY_KILL")
    if mark == "always" or (mark and not Path(mark).exists()):
        if mark != "always":
            Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return toy_study.answer([loss(subject, params), len(subject.history)])


EXPERIMENT = Experiment(
    __name__,
    "A toy?",
    1,
    toy_study.Params,
    in_one_stage(measure),
    toy_study.claims("toy_loss"),
    {},
    questions=(Question("Is it small?", "toy_loss.value", "it is {value}", key=True),),
    page=Page("Is a toy's loss small?", figures=()),
)
