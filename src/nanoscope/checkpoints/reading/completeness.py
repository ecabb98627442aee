"""Are all weights of a GPT there, each of a shape that fits, and none left over? What is not so is a refusal that names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from nanoscope.errors import NanoscopeError

SHOWN = 3
"""Names that a refusal lists."""
NEEDED = ("q.weight", "k.weight", "v.weight")


def missing_outside(final: Mapping[str, Tensor], layers: list[dict[str, Tensor]]) -> list[str]:
    """What the model lacks outside its layers: the embedding, or one half of its final norm or its head."""
    needed = {"head.weight"} if "head.bias" in final else set[str]()
    if any(key.startswith("norm_f.") for key in final):
        biased = any(key.startswith("norm") and key.endswith(".bias") for layer in layers for key in layer)
        needed |= {"norm_f.weight", "norm_f.bias"} if biased else {"norm_f.weight"}
    embedding_missing = [] if "embed.weight" in final else ["the token embedding, such as transformer.wte.weight"]
    return [*embedding_missing, *sorted(needed - final.keys())]


def missing_inside(layers: list[dict[str, Tensor]]) -> list[str]:
    """The roles that another layer has, or that every layer needs."""
    if not layers:
        return ["every layer"]
    everywhere = {key for layer in layers for key in layer}
    fused = "qkv.weight" in everywhere
    needed = ("qkv.weight",) if fused else ("q.weight", "kv.weight") if "kv.weight" in everywhere else NEEDED
    everywhere |= set(needed)
    if "fc.weight" in everywhere or "down.weight" in everywhere:
        everywhere |= {"fc.weight", "down.weight"}
    return [f"layer {at}: {key}" for at, layer in enumerate(layers) for key in sorted(everywhere - layer.keys())]


def refuse(where: str, left: list[str], missing: list[str]) -> None:
    """NanoscopeError that names weights without a place, and places without a weight."""
    if not left and not missing:
        return
    said = []
    if missing:
        said.append(f"{_count(len(missing), 'weight')} missing ({_some(missing)})")
    if left:
        said.append(f"{_count(len(left), 'weight')} without a known role ({_some(map(repr, left))})")
    more = "; rename a part of a name with --rename OLD=NEW" if left else ""
    raise NanoscopeError(f"{where} cannot be read as a GPT: {' and '.join(said)}{more}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {'is' if number == 1 else 'are'}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def refuse_shapes(where: str, layers: Iterable[Mapping[str, Tensor]], width: int) -> None:
    """Every weight must have the shape that its role needs."""
    for number, layer in enumerate(layers):
        for key, value in sorted(layer.items(), key=lambda one: _order(one[0])):
            if not _fits(key, value, layer, width):
                raise NanoscopeError(
                    f"{where}: {key} of layer {number} has the shape {list(value.shape)}, which does not fit a residual stream "
                    f"of {width}; it cannot be read"
                )


def _order(key: str) -> tuple[bool, bool, str]:
    """Weights before their biases, maps from the stream before those back, whose shapes depend on them."""
    return key.endswith(".bias"), key.startswith(("down", "out")), key


def _fits(key: str, value: Tensor, layer: Mapping[str, Tensor], width: int) -> bool:
    role, kind = key.split(".")
    if role == "gate":
        return False
    if role.startswith("norm"):
        return value.shape == (width,) and f"{role}.weight" in layer
    if kind == "bias":
        rows = layer[f"{role}.weight"].shape[0] if f"{role}.weight" in layer else -1
        return value.shape == (rows,)
    if value.dim() != 2:
        return False
    inner = {"out": "q.weight", "down": "fc.weight"}.get(role)
    if inner is None:
        return value.shape[1] == width
    return value.shape[0] == width and (inner not in layer or value.shape[1] == layer[inner].shape[0])
