"""Features, the transcoders: what each explains of its MLP, and what it costs, beside as many neurons and the twin's."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from nanoscope.dictionaries import controls
from nanoscope.dictionaries.measure import spread, together
from nanoscope.dictionaries.metrics import Reconstructs, fidelity, losses
from nanoscope.dictionaries.source import Source
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.dictionary_fits import restored
from nanoscope.experiments.features.setting import Setting, transcoded, transcoder, transcoder_of_twin
from nanoscope.experiments.measuring import Sweeps
from nanoscope.model.gpt import GPT
from nanoscope.text.windows import room

CODERS = ("transcoder", "neurons", "transcoder of the twin")
MEASURES = ("FVU", "alive", "loss", "replaced", "mean")
PART = 4
"""Of so many characters on which dictionaries are measured, one: there are as many transcoders as MLPs."""


def transcoders(s: Setting, before: Sweeps) -> Sweeps:
    """All measures by layer; nothing where there are no transcoders."""
    if not transcoded(s):
        return {}
    seen, held_out = (
        spread(
            s.subject.checkpoint.encode(text),
            room(s.model.config.block_size, s.subject.start),
            max(1, s.params.measured // PART),
            s.subject.start,
        )
        for text in (s.subject.corpus.train, s.subject.corpus.val)
    )
    rows = [
        [
            *_measured(s, s.model, layer, transcoder(layer), before, seen, held_out),
            *_measured(s, s.twin, layer, transcoder_of_twin(layer), before, seen, held_out, neurons=False),
        ]
        for layer in transcoded(s)
    ]
    names = {"layer": tuple(f"MLP {layer}" for layer in transcoded(s)), "coder": CODERS, "measure": MEASURES}
    return {"transcoders": Sweep(np.array(rows), ("layer", "coder", "measure"), "share; nats", names)}


def _measured(
    s: Setting, model: GPT, layer: int, name: str, before: Sweeps, seen: Tensor, held_out: Tensor, neurons: bool = True
) -> list[list[float]]:
    """One model's transcoder of a layer, and if asked the neurons of its MLP with as many active."""
    source, mlp = Source.named(f"mlp.{layer}"), model.blocks[layer].mlp
    assert mlp is not None
    x, y = together([source.read(model, some[:, :-1]) for some in seen.split(8)])
    found: list[Reconstructs] = [restored(before, name, s.params.k)]
    found += [controls.Neurons.of(mlp, x, s.params.k)] if neurons else []
    costs = losses(model, held_out.split(8), {str(at): (source, coder) for at, coder in enumerate(found)}, y.mean(0))
    rows = []
    for at, coder in enumerate(found):
        of, cost = fidelity(coder, (source.read(model, some[:, :-1]) for some in held_out.split(8))), costs[str(at)]
        rows.append([of.fvu, of.alive, cost.model, cost.replaced, cost.mean])
    return rows
