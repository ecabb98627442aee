"""Features, recurrence: is a feature found again by a dictionary that differs in its first weights alone?

Dictionaries of the same text in the same order need not have the same features (Paulo and Belrose 2025). Beside it: the other
dictionary turned at random, and the same question put to two dictionaries of the untrained twin.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nanoscope.analysis.features.active import active_over
from nanoscope.dictionaries.metrics import max_cosines
from nanoscope.dictionaries.source import Source
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.dictionary_fits import restored
from nanoscope.experiments.features.setting import TWIN, TWINS_OTHER, Setting, own, transcoded, transcoder
from nanoscope.experiments.measuring import Sweeps
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for

TURNED = "turned at random"


def recurrence(s: Setting, before: Sweeps) -> Sweeps:
    """Of the model's dictionaries, of the twin's, and of the first MLP's transcoders where there are any."""
    numbers = range(s.params.dictionaries)
    found = {
        "recurrence": _found_again(s, before, s.model, s.source, [own(n) for n in numbers]),
        "recurrence_twin": _found_again(s, before, s.twin, s.source, [TWIN, TWINS_OTHER]),
    }
    if not transcoded(s):
        return found
    names = [transcoder(0, n) for n in numbers]
    return {**found, "recurrence_transcoder": _found_again(s, before, s.model, Source.named("mlp.0"), names)}


def _found_again(s: Setting, before: Sweeps, model: GPT, source: Source, names: Sequence[str]) -> Sweep:
    """For every live feature of the first dictionary the largest cosine with one of each other dictionary, and with one of the
    second turned at random."""
    coders = [restored(before, name, s.params.k) for name in names]
    alive = torch.from_numpy(active_over(model, source, coders[0], s.texts.report.windows).density > 0)
    mine = coders[0].W_dec[alive]
    generator = torch.Generator().manual_seed(seed_for("turned", s.params.seed))
    turn = torch.linalg.qr(torch.randn(mine.shape[1], mine.shape[1], generator=generator)).Q
    rows = [*(max_cosines(mine, other.W_dec) for other in coders[1:]), max_cosines(mine, coders[1].W_dec @ turn)]
    return Sweep(torch.stack(rows).numpy(), ("against", "feature"), "cosine", {"against": (*names[1:], TURNED)})
