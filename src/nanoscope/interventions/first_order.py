"""Attribution patching: first-order estimates of what `replay` computes exactly.

    estimate(cell) = metric + sum over the cell's edits of (new value - old value) . d metric / d activation

All gradients come from one forward and one backward pass of the base run (Nanda 2023). The gradient through a saturated
softmax nearly vanishes even if the pattern would change a lot. The effect of queries and keys is therefore computed
through their exact new pattern, (new pattern - pattern) . d metric / d pattern: the QK fix of AtP* (Kramar et al. 2024).
The estimate is exact if the metric is linear in the edited activations; otherwise check it against `replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.interventions.edits import Edit, with_values
from nanoscope.interventions.run import Gradients, Key, check_swept, gradients
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, Site
from nanoscope.tasks.metrics import read_at

THROUGH_THE_PATTERN = ("q", "k")


def estimate(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    cells: Sequence[Sequence[Edit]],
    positions: Int[Tensor, "example read"],
    measure: Callable[[Float[Tensor, "example read vocab"]], Float[Tensor, "example"]],
    *,
    qk_fix: bool = True,
) -> Float[Tensor, "cell example"]:
    """The metric of every cell and example to first order, in double precision. The arguments are those of `replay`.

    Raises NanoscopeError for a site that the model does not have.
    """
    for cell in cells:
        for edit in with_values(cell):
            check_swept(edit.site, model, tokens.shape[1])
    named = {edit.site.name for cell in cells for edit in cell}
    fixed = named.intersection(THROUGH_THE_PATTERN) if qk_fix else set()
    found = gradients(
        model,
        tokens,
        lambda logits: measure(read_at(logits, positions)),
        [*named, *(("q", "k", "scores", "pattern") if fixed else ())],
    )
    with torch.inference_mode():
        changes = [_first_order(model, found, cell, fixed) for cell in cells]
    return found.metric.double().cpu() + torch.stack([*changes, torch.zeros(len(tokens))])[:-1].double()


def _first_order(model: GPT, found: Gradients, cell: Sequence[Edit], fixed: set[str]) -> Float[Tensor, "example"]:
    """The first-order change of the metric, summed over the activations that a cell edits."""
    total = torch.zeros_like(found.metric)
    for site, to in _after(cell, found).items():
        if site.name in fixed:
            total = total + _through_pattern(model, found, site, to)
        else:
            step = (to - found.cache[site]) * found.gradients[site]
            total = total + step.reshape(len(total), -1).sum(dim=1)
    return total.float().cpu()


def _after(cell: Sequence[Edit], found: Gradients) -> dict[Site, Tensor]:
    """The edited slices after the edits; the whole activation if several edits change it."""
    at: dict[Key, list[Edit]] = {}
    for edit in cell:
        at.setdefault((edit.site.name, edit.site.layer), []).append(edit)
    after = {}
    for (name, layer), edits in at.items():
        site = edits[0].site if len(edits) == 1 else Site(name, layer)
        value = found.cache[site]
        if len(edits) == 1:
            value = edits[0].broadcast_to(value) + (value if edits[0].added else 0)
        else:
            for edit in edits:
                value = edit.apply(value)
        after[site] = value
    return after


def _through_pattern(model: GPT, found: Gradients, site: Site, to: Tensor) -> Float[Tensor, "example"]:
    """(pattern with the new queries or keys - pattern) . d metric / d pattern."""
    layer = site.layer if site.layer is not None else 0
    attn = model.blocks[layer].attn
    for dim, axis in enumerate(AXES[site.name]):
        to = to.unsqueeze(dim) if getattr(site, axis, None) is not None else to
    heads = slice(None) if site.head is None else slice(site.head, site.head + 1)
    pos = site.single("pos")
    positions = slice(None) if pos is None else slice(pos, pos + 1)
    cache = found.cache
    raw = cache["scores", layer][:, heads].clone()
    if site.name == "q":
        raw[:, :, positions] = arithmetic.scores(to, cache["k", layer][:, :, heads], attn)
    else:
        raw[..., positions] = arithmetic.scores(cache["q", layer][:, :, heads], to, attn)
    visible = arithmetic.visible_causally(raw.shape[-2], raw.shape[-1], raw.device)
    change = arithmetic.pattern(raw, visible) - cache["pattern", layer][:, heads]
    return (change * found.gradients["pattern", layer][:, heads]).flatten(1).sum(dim=1)
