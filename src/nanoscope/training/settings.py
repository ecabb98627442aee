"""The settings of a run as its folder keeps them, in `recipe.json`: the recipe and the text, which may not change, and the
machine on which it began, which may: the stretches record every one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.training.recipe import Machine, Recipe

FILE = "recipe.json"
Settings = Mapping[str, Any]
"""Every field of a run's recipe by its full name, such as `recipe.model.n_layer`, and the checksum of its text."""


def settings(recipe: Recipe, corpus: Corpus) -> Settings:
    """The settings of a training by a recipe on a text, whose vocabulary the model gets."""
    recipe = replace(recipe, model=replace(recipe.model, vocab_size=len(corpus.vocabulary)))
    return _flat(_plain(recipe, corpus))


def kept(folder: Path) -> Settings:
    """The settings in a run's folder. NanoscopeError if there are none that can be read."""
    try:
        stored = json.loads((folder / FILE).read_text())
        return _flat({name: stored[name] for name in ("recipe", "corpus")})
    except OSError:
        raise NanoscopeError(f"{folder} holds no training; give a folder that `nanoscope train` made") from None
    except (ValueError, AttributeError, KeyError, TypeError):
        raise NanoscopeError(f"{folder / FILE} is damaged; remove {folder} and train again") from None


def differing(one: Settings, other: Settings) -> tuple[str, ...]:
    """The names of the settings that differ."""
    return tuple(sorted(name for name in {**one, **other} if one.get(name) != other.get(name)))


def claim(folder: Path, recipe: Recipe, corpus: Corpus, machine: Machine) -> None:
    """Record the settings of a run in its folder. Raises NanoscopeError if it has others already."""
    path = folder / FILE
    if not path.exists():
        return files.write_json(path, {**_plain(recipe, corpus), "machine": asdict(machine)})
    theirs, ours = kept(folder), settings(recipe, corpus)
    if other := differing(theirs, ours):
        raise NanoscopeError(
            f"{folder} holds a run with other settings ({other[0]}: {theirs.get(other[0])}, not {ours.get(other[0])}); "
            "choose another folder with --out or remove that one"
        )


def _plain(recipe: Recipe, corpus: Corpus) -> dict[str, Any]:
    return json.loads(json.dumps({"recipe": recipe.stored(), "corpus": corpus.sha256}))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    parts = (_flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {f"{prefix}{k}": v} for k, v in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}
