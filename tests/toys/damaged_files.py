"""Files to break the readers with: good ones of every kind that are cut, flipped and spliced; sizes and shapes that make no
sense; pickles that ask for calls, for gigabytes, for themselves. Each is a table file name -> bytes."""

import functools
import io
import json
import pickle
import random
import struct
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from nanoscope.checkpoints.checkpoint import Checkpoint, packed
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta

Files = dict[str, bytes]
CANARY = "canary-that-no-reader-may-touch"
CONFIG = GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=4, vocab_size=3)
ARGS = {"n_layer": 1, "n_head": 1, "n_embd": 4, "block_size": 4, "vocab_size": 3, "bias": False, "dropout": 0.0}


def saved(value: Any, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def npz(arrays: dict[str, Any], packer: Any = np.savez) -> bytes:
    file = io.BytesIO()
    packer(file, **arrays)
    return file.getvalue()


@functools.cache
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG).requires_grad_(False)


def state() -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model().state_dict().items()}


@functools.cache
def good() -> tuple[Files, ...]:
    """One of every kind that is read; the first file is the one that is opened, "" a whole folder."""
    weights, vocabulary = state(), Vocabulary(("a", "b", "c"))
    arrays = {name: value.numpy() for name, value in weights.items()}
    whole = {"model": weights, "model_args": ARGS, "iter_num": 3, "config": {"dataset": "x", "itos": ["a", "b", "c"]}}
    objects = {"net": weights, "args": Namespace(n_head=1, path=Path("/a")), "loss": np.float32(1), "seen": {1, 2}}
    module = nn.ModuleDict({"wte": nn.Embedding(3, 4), "h": nn.ModuleList([nn.Linear(4, 4)])})
    rows = {name: value.tolist() for name, value in weights.items()}
    ours, _ = packed(Checkpoint(model(), vocabulary), False, None)
    shard = "model.safetensors.index.json"
    index = json.dumps({"weight_map": dict.fromkeys(weights, "model-1.safetensors")}).encode()
    return (
        {"a.pt": saved(whole), "meta.pkl": write_meta(vocabulary)},
        {"a.pt": saved(whole, zipped=False)},
        {"a.pt": saved(objects)},
        {"a.pt": saved(module)},
        {"a.pt": pickle.dumps(objects, 2)},
        {"a.pt": pickle.dumps({"w": arrays, "args": ARGS}, 5)},
        {"a.pt": pickle.dumps(arrays, 0)},
        {"a.npz": npz(arrays)},
        {"a.npz": npz(arrays, np.savez_compressed)},
        {"a.safetensors": safetensors.torch.save(weights), "config.json": json.dumps(ARGS).encode()},
        {"a.json": json.dumps({"config": ARGS, "weights": rows}).encode()},
        {"": b"", "config.json": json.dumps(ARGS).encode(), "model.safetensors": safetensors.torch.save(weights)},
        {"": b"", "config.json": b"{}", shard: index, "model-1.safetensors": safetensors.torch.save(weights)},
        {"": b"", **ours},
    )


@st.composite
def damaged(draw: st.DrawFn) -> Files:
    """A good file that is cut, has bytes changed, or a piece of another in it."""
    files = dict(draw(st.sampled_from(good())))
    name = draw(st.sampled_from([one for one in files if one]))
    files[name] = draw(broken(files[name]))
    return files


@st.composite
def broken(draw: st.DrawFn, raw: bytes) -> bytes:
    source = random.Random(draw(st.integers(0, 2**32)))
    data = bytearray(raw)
    how = draw(st.sampled_from(["cut", "flip", "flip", "flip", "splice", "repeat", "number"]))
    near = min(len(raw), source.choice([200, 1500, len(raw)]))
    at = source.randrange(near) if near else 0
    if how == "cut":
        return raw[:at]
    if how == "flip":
        for _ in range(source.choice([1, 1, 2, 5, 40])):
            data[source.randrange(near)] = source.choice([source.randrange(256), 0xFF, 0, 0x80])
    elif how == "splice":
        other = source.choice([one for files in good() for one in files.values() if one])
        start = source.randrange(len(other))
        data[at:at] = other[start : start + source.choice([4, 40, 400])]
    elif how == "repeat":
        data[at:at] = data[at : at + source.choice([1, 9, 100])] * source.choice([1, 3, 50])
    else:
        number = source.choice([-1, 2**31 - 1, 2**40, 2**62, 2**63 - 1])
        data[at : at + 8] = struct.pack("<q", number)
    return bytes(data)


NUMBERS = st.sampled_from([0, 1, 2, -1, 3, 7, 2**31, 2**62, 10**30, 0.5, float("nan"), float("inf")])
VALUES = st.one_of(NUMBERS, st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just({"a": [1]}))
SHAPES = st.sampled_from([(), (0,), (1,), (3, 4), (4, 4), (0, 10**12), (2**20, 0), (12, 4), (1, 1, 4, 4), (64, 1)])


@st.composite
def senseless(draw: st.DrawFn) -> Files:
    """A file in order whose weights have other shapes, kinds or names, or whose settings make no sense."""
    weights: dict[str, Any] = state()
    for name in draw(st.lists(st.sampled_from(sorted(weights)), max_size=3)):
        weights[name] = draw(st.sampled_from([torch.empty, _spread, _complex, _whole]))(draw(SHAPES))
    if draw(st.booleans()):
        weights.pop(draw(st.sampled_from(sorted(weights))))
    if draw(st.booleans()):
        weights[draw(st.text(max_size=5))] = torch.ones(draw(st.integers(0, 3)))
    args = ARGS | draw(st.dictionaries(st.sampled_from([*ARGS, "rope_theta", "a"]), VALUES, max_size=3))
    prefix = draw(st.sampled_from(["", "module.", "a\nb.", "x" * 400, "_orig_mod."]))
    renamed = {f"{prefix}{name}": value for name, value in weights.items()}
    key = draw(st.sampled_from(["model", "net", "w", "optimizer", "ema"]))
    content: dict[Any, Any] = {key: renamed, "model_args": args, "config": draw(VALUES)}
    content[draw(st.sampled_from(["iter_num", "itos", "stoi", "config", 3]))] = draw(VALUES)
    kind = draw(st.sampled_from(["zip", "old", "json", "folder"]))
    if kind == "json":
        rows = {
            name: value.tolist() for name, value in renamed.items() if not value.is_complex() and value.numel() < 99
        }
        return {"a.json": json.dumps(content | {key: rows}, default=str).encode()}
    if kind == "folder":
        plain = {name: value.contiguous() for name, value in renamed.items() if value.numel() < 10**5}
        return {"": b"", "config.json": json.dumps(args).encode(), "model.safetensors": safetensors.torch.save(plain)}
    return {"a.pt": saved(content, zipped=kind == "zip")}


def _spread(shape: tuple[int, ...]) -> Tensor:
    """One number that says to be 10^12, or as many as its shape says."""
    return torch.ones(()).expand((10**6, 10**6) if shape == (64, 1) else shape)


def _complex(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=torch.complex64)


def _whole(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=torch.int64)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


CALLS = [
    ("os", "system", f"touch {CANARY}"),
    ("posix", "mkdir", CANARY),
    ("builtins", "eval", f"open('{CANARY}', 'w')"),
    ("builtins", "exec", f"open('{CANARY}', 'w')"),
    ("builtins", "getattr", "a"),
    ("subprocess", "check_output", f"touch {CANARY}"),
    ("runpy", "run_path", CANARY),
    ("numpy.f2py.diagnose", "run_command", f"touch {CANARY}"),
    ("torch.hub", "load", CANARY),
    ("torch.serialization", "load", CANARY),
    ("torch._utils", "_rebuild_tensor_v2", "a"),
    ("torch._utils", "_rebuild_parameter", "a"),
    ("torch._utils", "_rebuild_sparse_tensor", "a"),
    ("torch.storage", "_load_from_bytes", "a"),
    ("numpy._core.multiarray", "_reconstruct", "a"),
    ("numpy", "dtype", "f4"),
    ("collections", "OrderedDict", "a"),
    ("pathlib", "PosixPath", "a"),
    ("", "", ""),
]
ATTACKS = [
    *[f"c{module}\n{name}\n".encode() + text(argument) + b"\x85R" for module, name, argument in CALLS],
    *[b"(" + text(argument) + f"i{module}\n{name}\n".encode() for module, name, argument in CALLS],
    *[f"c{module}\n{name}\n".encode() for module, name, _ in CALLS],
    *[
        b"\x85",
        b"R",
        b"b",
        b"\x81",
        b"\x92",
        b"o",
        b"(",
        b"t",
        b"]",
        b"}",
        b"\x8f",
        b")",
        b"a",
        b"e",
        b"s",
        b"u",
        b"\x90",
    ],
    *[b"2", b"q\0", b"h\0", b"\x94", b"0", b"1", b"Q", b"P0\n", b"\x82\x01", b"\x97", b"\x98", b"N", b"\x88", b"K\x05"],
    b"\x96" + struct.pack("<Q", 2**40),
    b"\x8e" + struct.pack("<Q", 2**40),
    b"\x95" + struct.pack("<Q", 2**62),
    b"\x8b" + struct.pack("<i", 2**31 - 1),
    b"r\xff\xff\xff\xff",
    b"I" + b"9" * 6000 + b"\n",
    b"]q\0h\0a",
    b"}q\0" + text("a") + b"h\0s",
    b"\x85\x86" * 30,
    (b"2\x86") * 60,
    (b"q\0h\0h\0\x86") * 60,
    b"(" + b"]q\0(h\0h\0h\0e" * 40,
]


@st.composite
def malicious(draw: st.DrawFn) -> Files:
    """Pickles put together from opcodes that call, ask for memory, refer to themselves or to nothing."""
    parts = draw(st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=9))
    body = b"\x80\x04}(" + text("model") + b"".join(parts) + draw(st.sampled_from([b"u.", b".", b"s.", b""]))
    kind = draw(st.sampled_from(["pickle", "zip", "deflated", "after"]))
    if kind == "pickle":
        return {"a.pt": body}
    if kind == "after":
        return {"a.pt": saved({"a": torch.ones(2)}, zipped=False)[:-20] + body}
    file, method = io.BytesIO(), zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a/data.pkl", body)
        archive.writestr("a/data/0", bytes(draw(st.sampled_from([0, 4, 64]))))
    return {"a.pt": file.getvalue()}


@st.composite
def vocabularies(draw: st.DrawFn) -> Files:
    """Files of vocabularies: damaged, malicious, or of tables that make no sense."""
    kind = draw(st.sampled_from(["damaged", "malicious", "senseless"]))
    if kind == "malicious":
        return {"meta.pkl": next(iter(draw(malicious()).values()))}
    symbols = draw(st.lists(st.text(max_size=3) | VALUES, max_size=5))
    ids = draw(
        st.sampled_from([range(9), range(1, 9), [0, 0, 1, 2, 3], ["0", "1", "a", "b", "c"], [2**70, -1, 0, 1, 2]])
    )
    table = draw(st.sampled_from([symbols, dict(zip(ids, symbols, strict=False)), 3, None, {"a": symbols}]))
    content = {draw(st.sampled_from(["itos", "stoi", "symbols", "kind", "vocab"])): table, "kind": draw(VALUES)}
    name = draw(st.sampled_from(["meta.pkl", "table.json", "text.txt"]))
    raw = pickle.dumps(content, draw(st.integers(0, 5))) if name == "meta.pkl" else json.dumps(content).encode()
    return {name: raw if kind == "senseless" else draw(broken(raw))}


@functools.cache
def bombs() -> list[Files]:
    """Small files that ask for a hundred times the memory that a test may take, each in its own way."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a/data.pkl", "w") as pickled,
    ):
        for _ in range(70):
            pickled.write(b"]" * 1_000_000)
    shared = b"\x80\x04]" + b"".join(b"(" + b"h\0" * 9 + b"lq\0" for _ in range(9)) + b"."
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}}).encode()
    views = {"wte": torch.ones(1).expand(2**20, 2**12), "h.weight": torch.ones(2, 2)}
    copy = b"c_codecs\nencode\nh\0\x8c\x06latin1\x86R"
    copies = b"\x80\x04" + text("e" * 100_000) + b"q\0(" + copy * 9000 + b"l."
    return [
        {"a.pt": file.getvalue()},
        {"a.pt": shared.replace(b"]", b"]q\0", 1)},
        {"a.safetensors": struct.pack("<Q", len(header)) + header + bytes(4)},
        {"a.pt": saved({"model": views})},
        {"a.pt": b"\x80\x05\x96" + struct.pack("<Q", 2**42) + b"."},
        {"a.pt": copies},
        {"a.json": b"[" * 50_000},
        {"a.json": json.dumps({"w": {"shape": [2**39, 2**39], "data": [1.0]}, "v": [[1, 2], [3, 4]]}).encode()},
        {"a.npz": npz({"a": np.zeros(70_000_000, np.uint8)}, np.savez_compressed)},
    ]
