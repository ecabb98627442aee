"""What is no checkpoint is named by its first bytes, with what to do."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError


def packed_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return file.getvalue()


def packed_zip(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"content")
    return file.getvalue()


def saved() -> bytes:
    file = io.BytesIO()
    torch.save({"model": {"a.weight": torch.ones(9, 9), "b.weight": torch.ones(9, 9)}}, file)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones((2, 2)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty; copy it again"),
        (bytes(500), "holds nothing but zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + bytes(50), "GGUF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"\x08\x06\x12\x07pytorch\x1a\x051.4.0" + bytes(50), "ONNX"),
        (array(), "one array"),
        (gzip.compress(b"weights", mtime=0), "gunzip"),
        (packed_tar(), "tar archive"),
        (packed_zip("readme.txt"), "other things (readme.txt)"),
        (packed_zip("model.weights.h5"), "Keras"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "image"),
        (b"\x82\xa6params\x80\xa4step\x01" + bytes(9), "msgpack"),
        ("import torch\n\nclass GPT: ...  # é\n".encode(), "text file"),
        (saved()[:900], "is not a readable PyTorch checkpoint (cut short or damaged); copy it again"),
        (b'{"model": [1, 2', "is not a readable JSON file (cut short or damaged)"),
        (b'{"name": "x", "cells": []}', "holds no model weights"),
        (
            struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[9,9],"data_offsets":[0,324]}}',
            "readable safetensors file",
        ),
    ],
)
def test_another_file_is_named(tmp_path: Path, raw: bytes, said: str):
    (tmp_path / "a.pt").write_bytes(raw)
    with pytest.raises(NanoscopeError) as caught:
        load(tmp_path / "a.pt")
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'a.pt'} ")
    assert said in line
    assert "\n" not in line
