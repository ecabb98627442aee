"""What a file says about its model beside the weights: `model_args`, a config, `config.json`, in the words of many authors.

What is said is taken; a word that means something nanoscope cannot compute is a refusal; a key that looks like architecture
and was not used is a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nanoscope.checkpoints.reading.fields import FIELDS, NAMES, understood
from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.errors import NanoscopeError

Tables = Iterable[tuple[str, Mapping[str, Any]]]

FIRST = ("model_args", "model_config", "config.json", "config", "hparams", "hyper_parameters", "args")
"""Tables that are believed before others, in this order: `model_args` is what nanoGPT built the model from."""
ARCHITECTURE = {
    "norm", "act", "activation", "gelu", "relu", "swiglu", "attn", "attention", "head", "heads", "layers", "embd", "embed",
    "embedding", "embeddings", "rope", "rotary", "pos", "position", "positions", "positional", "scale", "window", "expert",
    "experts", "moe", "softcap", "softcapping", "alibi", "parallel", "qk", "tie", "tied", "mlp", "ffn", "glu", "gated", "kv",
    "residual",
}  # fmt: skip
"""Words of a key that looks like architecture."""
HARMLESS = {
    "dropout", "pdrop", "drop", "lr", "decay", "init", "std", "initializer", "range", "grad", "gradient", "clip", "summary",
    "flash", "loss", "rate", "cache", "id", "name", "path", "log", "eval", "dtype",
}  # fmt: skip
"""Words that make it training or speed."""
NOT_OURS = {
    r"(final_|attn_)?(logit_?|attn_logit_)?softcap(ping)?": "soft caps of logits",
    r"(use_)?alibi": "ALiBi",
    r"(use_)?qk_?(layer)?norm": "norms of queries and keys",
    r"(num_(local_)?|n_(routed_)?)experts": "a mixture of experts",
    r"add_cross_attention|is_encoder_decoder": "cross attention",
    r"scale_attn_by_inverse_layer_idx": "scores divided by the number of the layer",
    r"partial_rotary_factor|rotary_pct": "heads that are rotated in part",
    r"sliding_window": "attention to a sliding window",
}
"""Keys that, where they are set, no config can express."""
VOCABULARY = 3
"""Entries from which on a table of numbers in order is a vocabulary and no config."""


@dataclass(frozen=True)
class Said:
    """What a file says: its readings by field, and notes on what looks like architecture and was not used."""

    readings: Mapping[str, Reading]
    notes: tuple[str, ...] = ()


def said(tables: Tables, where: str, known: frozenset[str] = frozenset()) -> Said:
    """The properties that the tables state. `known` are keys that a format reads itself."""
    readings: dict[str, Reading] = {}
    notes: dict[str, None] = {}
    for table, entries in _flat(_ordered(tables)):
        for key, value in entries.items():
            name, place = NAMES.get(key.lower()), f"{table}.{key}"
            if key in known or value is None:
                continue
            if name is None or not _may_mean(name, value):
                notes |= _unused(key.lower(), value, place, where)
            elif name not in readings:
                readings[name] = Reading(name, understood(name, value, f"{where}: {place}"), place)
    return Said(readings, tuple(notes))


def asked(settings: Mapping[str, Any]) -> dict[str, Reading]:
    """What the user sets; NanoscopeError for a name that is none."""
    unknown = sorted(settings.keys() - NAMES.keys())
    for name in unknown:
        raise NanoscopeError(f"there is no setting {name!r}; there are {', '.join(FIELDS)}")
    named = {NAMES[key]: value for key, value in settings.items()}
    return {key: Reading(key, understood(key, value, f"--set {key}"), "--set") for key, value in named.items()}


def losses_said(tables: Tables) -> tuple[str, float] | None:
    """The loss that a file says it has, and what it calls it."""
    for name in ("best_val_loss", "val_loss", "valid_loss", "eval_loss", "loss"):
        for where, table in tables:
            if isinstance(value := table.get(name), float) and 0 < value < 1e6:
                return f"{where}.{name}", value
    return None


def _may_mean(name: str, value: Any) -> bool:
    """Is the value of a kind that the property can have? Authors use some of these names for other things."""
    kind = FIELDS[name].kind
    if isinstance(kind, tuple):
        return isinstance(value, (str, bool))
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and (kind is float or value == int(value))


def _ordered(tables: Tables) -> list[tuple[str, Mapping[Any, Any]]]:
    """The tables that are believed first come first."""
    rank = {name: at for at, name in enumerate(FIRST)}
    return sorted(tables, key=lambda one: rank.get(one[0].split("/")[-1], len(FIRST)))


def _flat(tables: list[tuple[str, Mapping[Any, Any]]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every table of settings, and those inside them that are not listed themselves; no vocabularies."""
    for where, table in tables:
        if where in FIRST or not _is_vocabulary(table):
            yield where, {key: value for key, value in table.items() if isinstance(key, str)}
            inner = [(f"{where}.{key}", value) for key, value in table.items() if isinstance(value, Mapping)]
            yield from _flat(
                [one for one in inner if all(one[1] is not other and one[1] != other for _, other in tables)]
            )


def _is_vocabulary(table: Mapping[Any, Any]) -> bool:
    """Symbol -> id or id -> symbol."""
    if all(isinstance(key, int) or str(key).isdecimal() for key in table):
        return True
    ids = {value for value in table.values() if isinstance(value, int) and not isinstance(value, bool)}
    return len(ids) == len(table) >= VOCABULARY and min(ids) in (0, 1) and max(ids) - min(ids) == len(ids) - 1


def _unused(key: str, value: Any, place: str, where: str) -> dict[str, None]:
    """A note on a key that was not used, if it looks like architecture; NanoscopeError if nanoscope cannot compute it."""
    neutral = not value or (value == 1 and not isinstance(value, bool))
    if key in ("rope_scaling", "rope_type") and not _plain_rotation(value):
        raise NanoscopeError(f"{where}: {place}={value!r}: scaled rotary positions cannot be read")
    for pattern, what in NOT_OURS.items():
        if re.fullmatch(pattern, key) and not neutral:
            raise NanoscopeError(f"{where}: {place}={value!r}: models with {what} cannot be read")
    words = set(key.split("_"))
    if neutral or words & HARMLESS or not words & ARCHITECTURE or isinstance(value, (Mapping, list, tuple)):
        return {}
    return {f"{place}={value!r} looks like architecture and was not used": None}


def _plain_rotation(value: Any) -> bool:
    """Does it say that rotary positions are not scaled?"""
    kind = value.get("rope_type", value.get("type")) if isinstance(value, Mapping) else value
    return kind in (None, "default") or value in (False, {})
