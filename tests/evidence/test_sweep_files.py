"""Sweeps on disk: what is read is what was written, in half the bytes where nothing is lost by it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save

from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.sweep_files import compressed, in_single, load, packed

DRAWN = np.random.default_rng(0).normal(size=(50, 40))
EDGES = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-300, 16_777_217.0, 0.1])


def _back(sweep: Sweep, folder: Path) -> tuple[Sweep, int]:
    content = packed({"one": sweep})
    (folder / "file").write_bytes(content)
    return load(folder / "file")["one"], len(content)


@pytest.mark.parametrize(
    "values",
    [DRAWN, DRAWN.astype(np.float32), EDGES, EDGES[:5], np.arange(7), np.array(0.1), np.zeros((0, 3)), DRAWN > 0],
    ids=["doubles", "singles", "edges", "exact edges", "integers", "one", "none", "truths"],
)
def test_what_is_read_is_what_was_written(values: np.ndarray, tmp_path: Path) -> None:
    back, _ = _back(Sweep(values, tuple("ab"[: values.ndim]), "nats"), tmp_path)
    assert back.values.dtype == values.dtype
    assert back.values.shape == values.shape
    assert back.values.tobytes() == values.tobytes()


def test_rounded_doubles_take_half_the_bytes_and_stay_doubles(tmp_path: Path) -> None:
    whole, rounded = Sweep(DRAWN, ("a", "b"), "nats"), in_single(Sweep(DRAWN, ("a", "b"), "nats"))
    (_, size), (back, small) = _back(whole, tmp_path), _back(rounded, tmp_path)
    assert size - small == pytest.approx(DRAWN.nbytes / 2, abs=100)
    assert back.values.dtype == np.float64
    np.testing.assert_array_equal(back.values, rounded.values)
    np.testing.assert_allclose(back.values, DRAWN, rtol=2**-24)


def test_integers_and_singles_are_not_touched() -> None:
    for values in (np.arange(3), DRAWN[0].astype(np.float32)):
        assert in_single(Sweep(values, ("a",), "count")).values is values


def test_a_compressed_file_holds_the_same(tmp_path: Path) -> None:
    sweeps = {"one": Sweep(EDGES, ("a",), "nats"), "two": Sweep(np.zeros((9, 99)), ("a", "b"), "")}
    (tmp_path / "file.gz").write_bytes(compressed(sweeps))
    back = load(tmp_path / "file.gz")
    assert {name: one.values.tobytes() for name, one in back.items()} == {
        name: one.values.tobytes() for name, one in sweeps.items()
    }
    assert [back["two"].dims, back["two"].unit] == [("a", "b"), ""]
    assert len(compressed(sweeps)) < len(packed(sweeps)) / 4


def test_the_same_sweeps_are_the_same_bytes_in_any_order() -> None:
    named = {f"sweep {at}": Sweep(DRAWN[at : at + 2], ("a", "b"), "nats", {"a": ("x", at)}) for at in range(20)}
    assert packed(named) == packed(dict(reversed(named.items())))


def test_a_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    """It had one entry a sweep in its header."""
    entry = json.dumps({"dims": ["a", "b"], "unit": "nats", "coords": {"b": list("xyzuv")}})
    (tmp_path / "file").write_bytes(save({"one": DRAWN[:2, :5].copy()}, metadata={"one": entry}))
    back = load(tmp_path / "file")["one"]
    assert (back.dims, back.unit, back.labels("b")) == (("a", "b"), "nats", tuple("xyzuv"))
    np.testing.assert_array_equal(back.values, DRAWN[:2, :5])


@pytest.mark.parametrize("kept", [0, 5, 60, -9])
def test_a_compressed_file_that_was_cut_off_is_refused(kept: int, tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(compressed({"one": Sweep(DRAWN, ("a", "b"), "nats")})[:kept])
    with pytest.raises((ValueError, OSError, KeyError, SafetensorError)):
        load(tmp_path / "file.gz")
