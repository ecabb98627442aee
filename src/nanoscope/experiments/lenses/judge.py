"""Experiment 03, from numbers to evidence: one function per claim, which reads stored sweeps only.

Intervals resample windows. A mean over positions is a ratio of two sums, and each resample computes both sums again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.lenses.stored import LENSES
from nanoscope.statistics.intervals import percentile_interval, resampled_means

FEWEST = 50
"""Fewest settled and unsettled predictions of a layer from which anything is concluded."""
MOST = 0.5
"""The share of a sum above which it is the most of it: what nothing but an even split would give."""


def gain_over_tables(sweeps: Sweeps) -> Evidence:
    """Loss of the best table minus the model's loss on the same positions, in nats per character."""
    positions = sweeps["places"].sel(kind="all").values
    tables = sweeps["table_loss"].sel(kind="all").values
    model = sweeps["reading"].sel(lens="logit lens", measure="loss").values[-1]
    best = int(tables.sum(-1).argmin())
    facts = {
        "loss": _ratio(model, positions),
        "best": best + 1,
        "table": _ratio(tables[best], positions),
    }
    return _ratio_evidence(tables[best] - model, positions, "beyond", 0.0, facts)


def mlp_share(sweeps: Sweeps) -> Evidence:
    """The MLPs' share of the direct contributions to the next character's logit."""
    writers = sweeps["writers"]
    names = [str(name) for name in writers.labels("component")]
    mlps = np.array([name.startswith("MLP") for name in names])
    if not mlps.any():
        return Evidence.not_applicable("there are no MLPs", writers.values.shape[1], "windows", MOST)
    means = writers.values.sum(-1) / sweeps["writers_places"].values.sum()
    largest = sorted(zip(means.tolist(), names, strict=True), reverse=True)[:4]
    facts = {"largest": tuple((name, value) for value, name in largest)}
    return _ratio_evidence(writers.values[mlps].sum(0), writers.values.sum(0), "writers", MOST, facts)


def damage_to_settled(sweeps: Sweeps) -> Evidence:
    """Damage to predictions settled in the tuned lens divided by damage to unsettled ones, averaged over the layers with enough
    of both; beside it the same for the logit lens, where it was measured."""
    damage = {lens: _damage(sweeps, lens) for lens in LENSES}
    layers = {lens: _with_enough(one) for lens, one in damage.items()}
    tuned, chosen = damage["tuned lens"], layers["tuned lens"]
    if not chosen:
        why = f"no layer has {FEWEST} settled and {FEWEST} unsettled predictions"
        return Evidence.too_little(why, tuned.shape[-1], "windows", 1.0)
    each = {lens: _damage_ratio(damage[lens][of].mean(-1)) for lens, of in layers.items()}
    drawn = _damage_ratio(resampled_means(np.moveaxis(tuned[chosen], -1, 0), "meaningful")).mean(-1)
    named = {
        lens: tuple((f"L{layer}", float(x)) for layer, x in zip(of, each[lens], strict=True))
        for lens, of in layers.items()
    }
    facts = {"layers": named["tuned lens"], "logit": named["logit lens"]}
    return _evidence(float(each["tuned lens"].mean()), drawn, tuned.shape[-1], 1.0, facts)


def _damage(sweeps: Sweeps, lens: str) -> Float[np.ndarray, "layer state quantity window"]:
    """Damage by layer; until version 3 of the tuned lens alone."""
    damage = sweeps["damage"]
    if "lens" in damage.dims:
        return damage.sel(lens=lens).values
    return damage.values if lens == "tuned lens" else damage.values[:0]


def _with_enough(damage: Float[np.ndarray, "layer state quantity window"]) -> list[int]:
    return [layer for layer in range(len(damage)) if damage[layer, :, 1].sum(-1).min() >= FEWEST]


def _damage_ratio(means: Float[np.ndarray, "*any state quantity"]) -> Float[np.ndarray, "*any"]:
    """Damage per settled position over damage per open one, from sums or means over windows."""
    each = means[..., 0] / np.maximum(means[..., 1], 1e-9)
    return each[..., 0] / each[..., 1]


# ---- ratios of sums --------------------------------------------------------------------------------------------------


def _evidence(value: float, drawn: np.ndarray, windows: int, null: float, facts: Mapping[str, Fact]) -> Evidence:
    """Evidence over windows, with the interval of the resampled values."""
    return Evidence(value, percentile_interval(drawn), windows, "windows", null, facts)


def _ratio_evidence(sums: np.ndarray, of: np.ndarray, label: str, null: float, facts: Mapping[str, Fact]) -> Evidence:
    """The ratio of two quantities, both summed within each window. Divided by the number of positions, a sum becomes a mean
    over positions. `label` seeds the resamples."""
    drawn = resampled_means(np.stack([sums, of]).T, label)
    return _evidence(_ratio(sums, of), drawn[:, 0] / drawn[:, 1], len(sums), null, facts)


def _ratio(sums: np.ndarray, of: np.ndarray) -> float:
    return float(sums.sum() / of.sum())
