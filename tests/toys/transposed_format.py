"""A format of the tests' own: JSON, every matrix transposed and every name backwards."""

import json

import torch

from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.model.config import GPTConfig


def recognises(source: Source) -> bool:
    return source.path.suffix == ".json"


def read(source: Source) -> Contents:
    content = json.loads(source.raw)
    weights = {name[::-1]: torch.tensor(rows) for name, rows in content["transposed"].items()}
    weights = {name: value.T if value.dim() == 2 else value for name, value in weights.items()}
    return Contents(GPTConfig(**content["shape"]), weights, corpus="a toy")
