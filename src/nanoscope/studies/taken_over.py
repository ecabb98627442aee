"""Take trainings that `nanoscope train` made into a study, so that they are not trained again.

A training belongs to the model of the study that has its recipe and its text. Where it ran, on which device and with how many
threads, is recorded with it and is no part of the recipe.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.studies.members import Member, StudyDesign
from nanoscope.studies.stages import Workspace
from nanoscope.text.corpora import Corpus
from nanoscope.training.settings import differing, kept, settings


def members_of(trained: Sequence[Path], study: StudyDesign, corpora: Mapping[str | None, Corpus]) -> dict[Path, Member]:
    """The model of the study that each folder's training is of; `corpora` by alias, None for the study's own.

    Raises NanoscopeError if a folder holds no training, or one of no model of the study.
    """
    return {folder: member_of(folder, study, corpora) for folder in trained}


def take_over(matched: Mapping[Path, Member], workspace: Workspace) -> None:
    """Copy the folders of trainings to where the study keeps those of its models; one that is there already stays.

    Raises NanoscopeError if a training is running.
    """
    for folder, member in matched.items():
        if not workspace.model(member).exists():
            with files.exclusive_lock(folder), files.replaced_directory(workspace.model(member)) as temporary:
                ignored = shutil.ignore_patterns(".lock", "*.part")
                shutil.copytree(folder, temporary, ignore=ignored, copy_function=_linked, dirs_exist_ok=True)


def member_of(folder: Path, study: StudyDesign, corpora: Mapping[str | None, Corpus]) -> Member:
    """The model of the study that the training in a folder is of."""
    theirs = kept(folder)
    members = {member.name: member for member in study.members if member.recipe is not None}
    others = {
        name: differing(theirs, settings(one.recipe, corpora[one.corpus]))
        for name, one in members.items()
        if one.recipe
    }
    fitting = [members[name] for name, other in others.items() if not other]
    if not fitting:
        nearest = min(others, key=lambda name: len(others[name]), default=None)
        why = f"the nearest, {nearest}, has another {', '.join(others[nearest][:3])}" if nearest else "it trains none"
        raise NanoscopeError(f"{folder} holds a training of no model of the study {study.name}: {why}")
    return fitting[0]


def _linked(source: str, target: str) -> str:
    """Link weights, whose files are never changed, and copy everything else, or what cannot be linked."""
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return target
    return shutil.copy2(source, target)
