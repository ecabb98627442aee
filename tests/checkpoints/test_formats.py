"""A format is one module and one name in a table."""

import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import random_model
from toys import transposed_format

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.checkpoints.exports import export
from nanoscope.checkpoints.formats import FORMATS, nanogpt, nanoscope, renamed
from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError


def test_a_format_of_ones_own_opens_by_one_file_and_one_name(tmp_path: Path) -> None:
    model = random_model()
    weights = {k[::-1]: (v.T if v.dim() == 2 else v).tolist() for k, v in model.state_dict().items()}
    (tmp_path / "model.json").write_text(json.dumps({"shape": asdict(model.config), "transposed": weights}))
    with pytest.raises(NanoscopeError, match=r"model\.json"):
        load(tmp_path / "model.json")
    opened = load(tmp_path / "model.json", known=(transposed_format, *FORMATS))
    assert opened.corpus == "a toy"
    assert opened.model.config == model.config
    for name, value in opened.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize("format", FORMATS)
def test_each_file_is_recognised_by_one_format(tmp_path: Path, format: ModuleType) -> None:
    model = random_model()
    save(Checkpoint(model), tmp_path / "ours")
    export(Checkpoint(model), tmp_path / "ckpt.pt")
    new = {name: old for old, name in renamed.NAMES.items()}
    state = torch.load(tmp_path / "ckpt.pt", weights_only=True)["model"]
    for name, old in new.items():
        state = {key.replace(name, old): value for key, value in state.items()}
    torch.save({"model": state, "config": {"n_head": 2}}, tmp_path / "renamed.pt")
    written = {nanoscope: tmp_path / "ours", nanogpt: tmp_path / "ckpt.pt", renamed: tmp_path / "renamed.pt"}
    for owner, path in written.items():
        assert format.recognises(Source(path)) == (owner is format), path
        assert torch.equal(load(path).model.wte.weight, model.wte.weight)


@pytest.mark.parametrize("place", ["final", "checkpoints/step_00000100", "model-1/final", "models/model-1/final"])
def test_the_folder_of_a_training_or_a_study_names_the_checkpoint_in_it(tmp_path: Path, place: str):
    save(Checkpoint(random_model()), tmp_path / place)
    with pytest.raises(NanoscopeError, match=f"checkpoint.json is missing; give {tmp_path / place}$"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors"])
def test_a_part_of_a_checkpoint_names_its_folder(tmp_path: Path, name: str):
    save(Checkpoint(random_model()), tmp_path / "final")
    with pytest.raises(NanoscopeError, match=f"is a part of a checkpoint; give its folder, {tmp_path / 'final'}$"):
        load(tmp_path / "final" / name)
