"""Every container by which a stranger's model comes, written here as its author would, opens with its very weights."""

import argparse
import base64
import enum
import json
import pathlib
import pickle
import re
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from nanoscope.checkpoints.formats.source import ATTRIBUTES, CLASSES, Source
from nanoscope.errors import NanoscopeError


class Act(enum.Enum):
    RELU = "relu"


@dataclass
class Config:
    n_head: int = 2
    act: Act = Act.RELU
    deeper: Any = field(default_factory=lambda: types.SimpleNamespace(eps=1e-6))


class Attention(nn.Module):
    def __init__(self, window: int) -> None:
        super().__init__()
        self.n_head, self.window, self.act = 2, window, functional.relu
        self.qkv = nn.Linear(8, 24)
        self.register_buffer("mask", torch.ones(3, 3).tril())
        self.register_buffer("fleeting", torch.ones(2), persistent=False)


class Model(nn.Module):
    """An author's module, with a tied head, buffers that are stored and not, and attributes that no weight shows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.config = Config()
        self.wte = nn.Embedding(5, 8)
        self.h = nn.ModuleList([Attention(3), Attention(4)])
        self.act = nn.GELU("tanh")
        self.ln = nn.LayerNorm(8, eps=1e-6)
        self.head = nn.Linear(8, 5, bias=False)
        self.head.weight = self.wte.weight


def arrays(state: dict[str, Tensor]) -> dict[str, Any]:
    return {name: value.numpy() for name, value in state.items()}


def encoded(value: Tensor) -> dict[str, Any]:
    data = base64.b64encode(value.numpy().tobytes()).decode()
    return {"shape": list(value.shape), "dtype": str(value.dtype), "data": data}


def old(value: Any, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def to_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value))


CONFIG = {"n_head": 2, "act": "relu", "deeper": {"eps": 1e-6}}
WRITERS: dict[str, Callable[[Model, Path], Any]] = {
    "bare": lambda m, p: torch.save(m.state_dict(), p),
    "bare, old": lambda m, p: old(m.state_dict(), p),
    "pickled tensors": lambda m, p: p.write_bytes(pickle.dumps({"net": m.state_dict()})),
    "lightning": lambda m, p: torch.save({"state_dict": {f"model.{k}": v for k, v in m.state_dict().items()}}, p),
    "compiled inside": lambda m, p: torch.save(
        {k.replace("h.0", "h.0._orig_mod"): v for k, v in m.state_dict().items()}, p
    ),
    "sharded": lambda m, p: torch.save({f"module._fsdp_wrapped_module.{k}": v for k, v in m.state_dict().items()}, p),
    "doubled": lambda m, p: torch.save({f"transformer.transformer.{k}": v for k, v in m.state_dict().items()}, p),
    "under any name": lambda m, p: torch.save(
        {"my_gpt": m.state_dict(), "losses": torch.rand(9), "rng": torch.ones(3, 3)}, p
    ),
    "in a list": lambda m, p: torch.save([m.state_dict(), 7], p),
    "npz": lambda m, p: np.savez(p.open("wb"), **arrays(m.state_dict())),
    "npz, packed": lambda m, p: np.savez_compressed(p.open("wb"), **arrays(m.state_dict())),
    "safetensors": lambda m, p: safetensors.torch.save_model(m, str(p)),
    "JSON, base64": lambda m, p: to_json({"n": 1, **{k: encoded(v) for k, v in m.state_dict().items()}}, p),
    "JSON, rows": lambda m, p: to_json(
        {"betas": [0.9, 0.99], "w": {k: v.tolist() for k, v in m.state_dict().items()}}, p
    ),
    "module": torch.save,
    "module, old": old,
    "module, pickled": lambda m, p: p.write_bytes(pickle.dumps(m)),
    "module, parallel": lambda m, p: torch.save({"model": nn.DataParallel(m), "step": 3}, p),
    **{f"arrays, {n}": lambda m, p, n=n: p.write_bytes(pickle.dumps(arrays(m.state_dict()), n)) for n in range(6)},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITERS)
def test_each_container_opens_with_its_very_weights(tmp_path: Path, name: str):
    model = Model()
    WRITERS[name](model, tmp_path / "a")
    source, state = Source(tmp_path / "a"), model.state_dict()
    weights = {re.sub(r"^(0|transformer)\.", "", key): value for key, value in source.weights.items()}
    assert weights.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(weights[key], value), key
    if name.startswith("module"):
        said = dict(source.tables)
        assert (
            said[ATTRIBUTES] | {"config": CONFIG, "n_head": 2, "eps": 1e-6, "approximate": "tanh"} == said[ATTRIBUTES]
        )
        assert said[ATTRIBUTES]["act"] == "torch.nn.functional.relu"
        assert (said[ATTRIBUTES]["h.0.window"], said[ATTRIBUTES]["h.1.window"]) == (3, 4)
        assert said[f"{ATTRIBUTES}.config"] == CONFIG
        assert said[CLASSES] == {"act": "torch.nn.modules.activation.GELU"}


KINDS = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
def test_every_kind_of_tensor_is_read_as_torch_reads_it(tmp_path: Path, zipped: bool):
    """Views, transposed tensors, and parts that share one storage, of every kind of number."""
    whole = torch.arange(-30, 30)
    state: dict[str, Any] = {}
    for kind in [torch.float32, *KINDS, torch.bool, torch.complex64]:
        values = whole.to(kind)
        state |= {f"{kind}.rows": values.view(6, 10).T, f"{kind}.part": values[7:31:3], f"{kind}.one": values[4]}
    state |= {"empty": torch.empty(0, 3), "parameter": nn.Parameter(torch.rand(2, 2))}
    torch.save({"model": state, "lr": 1}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    expected = torch.load(tmp_path / "a.pt", weights_only=True)["model"]
    found = Source(tmp_path / "a.pt").content["model"]
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


def test_whatever_is_said_beside_the_weights_is_in_the_tables(tmp_path: Path):
    parameter = nn.Parameter(torch.ones(2, 2))
    content = {
        "model": {"a.weight": torch.ones(2, 2), "b.weight": torch.ones(2, 2)},
        "config": Config(),
        "args": argparse.Namespace(lr=1e-3, out=pathlib.Path("/a/b"), device=torch.device("cpu")),
        "iter_num": np.int64(7),
        "best_val_loss": torch.tensor(1.25),
        "loss": np.float32(1.5),
        "optimizer": {"state": {0: {"exp_avg": parameter}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "itos": {0: "a"},
        "hyper_parameters": {"n_layer": 3, "weights": parameter},
    }
    torch.save(content, tmp_path / "a.pt")
    (tmp_path / "config.json").write_text('{"n_positions": 9}')
    assert dict(Source(tmp_path / "a.pt").tables) == {
        "config": CONFIG,
        "config.deeper": {"eps": 1e-6},
        "args": {"lr": 1e-3, "out": "/a/b", "device": "cpu"},
        "hyper_parameters": {"n_layer": 3},
        "the file": {"iter_num": 7, "best_val_loss": 1.25, "loss": 1.5},
        "config.json": {"n_positions": 9},
    }


def test_averaged_weights_are_passed_by_and_said(tmp_path: Path):
    plain, other = Model().state_dict(), {name: value + 1 for name, value in Model().state_dict().items()}
    torch.save({"model_ema": other, "weights": plain}, tmp_path / "a.pt")
    source = Source(tmp_path / "a.pt")
    assert torch.equal(source.weights["ln.bias"], plain["ln.bias"])
    assert source.notes == ("it holds averaged weights too ('model_ema'); the plain ones are read",)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_folder_of_hugging_face_opens_in_one_file_or_in_shards(tmp_path: Path, kind: str, shards: int):
    state = {name: value.clone() for name, value in Model().state_dict().items()}
    name = {"safetensors": "model", "bin": "pytorch_model"}[kind]
    files = [f"{name}-{i}.{kind}" for i in range(shards)] if shards > 1 else [f"{name}.{kind}"]
    where = {key: files[i % shards] for i, key in enumerate(state)}
    for file in files:
        part = {key: value for key, value in state.items() if where[key] == file}
        (safetensors.torch.save_file if kind == "safetensors" else torch.save)(part, str(tmp_path / file))
    (tmp_path / "config.json").write_text('{"n_head": 2}')
    if shards > 1:
        (tmp_path / f"{name}.{kind}.index.json").write_text(json.dumps({"weight_map": where}))
    source = Source(tmp_path)
    assert source.weights.keys() == state.keys()
    assert all(torch.equal(source.weights[key], value) for key, value in state.items())
    assert ("config.json", {"n_head": 2}) in source.tables
    before = source.sha256
    (tmp_path / "config.json").write_text('{"n_head": 4}')
    assert Source(tmp_path).sha256 != before
    if shards > 1:
        (tmp_path / files[1]).unlink()
        with pytest.raises(NanoscopeError, match=f"lacks '{files[1]}', one of 2 files of its weights"):
            _ = Source(tmp_path).weights


def test_two_weights_that_become_one_are_refused(tmp_path: Path):
    torch.save({"a.weight": torch.ones(2, 2), "module.a.weight": torch.ones(2, 2)}, tmp_path / "a.pt")
    with pytest.raises(NanoscopeError, match=r"a\.pt cannot be loaded: two of its weights are called 'a\.weight'"):
        _ = Source(tmp_path / "a.pt").weights
