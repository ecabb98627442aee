"""Take trainings that `nanoscope train` made into a study, so that they are not trained again.

A training belongs to the model of the study that has its recipe and its text. Where it ran, on which device and with how many
threads, is recorded with it and is no part of the recipe.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.studies.members import Member, StudyDesign
from nanoscope.studies.stages import Workspace
from nanoscope.training.settings import Settings, differing, kept, settings


def take_over(trained: Sequence[Path], study: StudyDesign, workspace: Workspace) -> None:
    """Copy the folders of trainings to where the study keeps those of its models; one that is there already stays.

    Raises NanoscopeError if a folder holds no training, one of no model of the study, or one that is running; nothing is
    copied unless all fit.
    """
    matched = [(folder, member_of(folder, study, workspace)) for folder in trained]
    for folder, member in matched:
        if not workspace.model(member).exists():
            with files.exclusive_lock(folder), files.replaced_directory(workspace.model(member)) as temporary:
                ignored = shutil.ignore_patterns(".lock", "*.part")
                shutil.copytree(folder, temporary, ignore=ignored, copy_function=_linked, dirs_exist_ok=True)


def member_of(folder: Path, study: StudyDesign, workspace: Workspace) -> Member:
    """The model of the study that the training in a folder is of."""
    theirs = kept(folder)
    trained = [member for member in study.members if member.recipe is not None]
    others = {member.name: differing(theirs, _settings(member, workspace)) for member in trained}
    fitting = [member for member in trained if not others[member.name]]
    if not fitting:
        nearest = min(others, key=lambda name: len(others[name]), default=None)
        why = f"the nearest, {nearest}, has another {', '.join(others[nearest][:3])}" if nearest else "it trains none"
        raise NanoscopeError(f"{folder} holds a training of no model of the study {study.name}: {why}")
    return fitting[0]


def _settings(member: Member, workspace: Workspace) -> Settings:
    assert member.recipe is not None
    return settings(member.recipe, workspace.corpus(member.corpus))


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
