"""Experiment 02, ablation: the heads of each class, and as many other heads of the same layers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from nanoscope.analysis.causal import head_ablation
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.heads.label import ALL_CLASSES
from nanoscope.experiments.heads.setting import Setting
from nanoscope.text.passages import passages

SETS = ("heads of the class", "others")


def ablation(s: Setting, labels: Int[np.ndarray, "layer head"]) -> Sweeps:
    """Loss on the report split without the heads of each class, and without as many others of the same layers."""
    present = {name: np.argwhere(labels == label) for label, name in enumerate(ALL_CLASSES)}
    groups = {name: [(int(layer), int(head)) for layer, head in at] for name, at in present.items() if len(at)}
    draws = {
        name: head_ablation.layer_matched(s.model, group, s.params.random_sets, name, s.params.seed)
        for name, group in groups.items()
    }
    sets = [
        ("intact", ()),
        *((name, group) for name, group in groups.items()),
        *((f"others than {name}", one) for name, matched in draws.items() for one in matched),
    ]
    text = passages(s.val, s.model.config.block_size, 2 * s.params.windows)[1::2]
    losses = head_ablation.on_text(s.model, text, [heads for _, heads in sets], s.splits["select"].tokens).values

    def without(label: str) -> np.ndarray:
        """The loss of each window, averaged over the sets with this label; NaN if there are none."""
        found = losses[[name == label for name, _ in sets]]
        return found.mean(0) if len(found) else np.full(len(text), np.nan)

    losses_by_class = [[without(name), without(f"others than {name}")] for name in groups]
    names = tuple(groups)
    counts = np.array([len(matched) for matched in draws.values()], dtype=float)
    return {
        "ablation_intact": Sweep(without("intact"), ("window",), "nats"),
        "ablation": Sweep(
            np.array(losses_by_class).reshape(len(names), len(SETS), len(text)),
            ("cls", "set", "window"),
            "nats",
            {"cls": names, "set": SETS},
        ),
        "ablation_sets": Sweep(counts, ("cls",), "sets", {"cls": names}),
    }
