"""The conditions of a measurement: the machine, its load, and an environment for each peer.

Two threads on two cores stall for milliseconds at every parallel region when another process needs a core. The load of other
processes is therefore measured before each comparison and recorded with it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ENVIRONMENTS = FOLDER / ".envs"
TORCH = "torch>=2.11,<2.14"
REQUIREMENTS = {
    "transformerlens4": "transformer-lens>=4,<5",
    "transformerlens3": "transformer-lens==3.9.*",
    "nnsight_worker": "nnsight==0.8.*",
}
"""Peers with their own environment; all other workers run in the project's."""


class Unavailable(Exception):
    """A contestant cannot run; the message is one line for the results."""


def python_of(worker: str) -> str:
    """The Python interpreter for a worker; creates its environment if needed."""
    if worker not in REQUIREMENTS:
        return sys.executable
    folder = ENVIRONMENTS / worker.removesuffix("_worker")
    python, stamp = folder / "bin" / "python", folder / "made-from.txt"
    wanted = f"{TORCH}\n{REQUIREMENTS[worker]}\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"creating an environment with {REQUIREMENTS[worker]}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, python, wanted.split())
        stamp.write_text(wanted)
    return str(python)


def _make(folder: Path, python: Path, requirements: list[str]) -> None:
    own_uv = Path(sys.executable).parent / "uv"
    uv = str(own_uv) if own_uv.exists() else shutil.which("uv")
    create = (
        [uv, "venv", "-q", "--python", sys.executable, str(folder)] if uv else [sys.executable, "-m", "venv", folder]
    )
    pip = [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    sources = {"UV_FIND_LINKS": os.environ["PIP_FIND_LINKS"]} if "PIP_FIND_LINKS" in os.environ else {}
    for command in (create, [*pip, *requirements, "safetensors"]):
        done = subprocess.run(command, env=sources | os.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            raise Unavailable(f"its environment could not be created ({requirements[-1]})")


def describe() -> dict[str, str | int]:
    """The machine's processor, cores, memory and system."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def load_of_others(seconds: float = 1.0) -> float | None:
    """Number of cores kept busy by other processes, measured while this one sleeps; None outside Linux."""
    before = _busy()
    time.sleep(seconds)
    after = _busy()
    if before is None or after is None:
        return None
    return round((after - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)


def _busy() -> int | None:
    """Clock ticks of work of all processors so far; None outside Linux."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return None
    user, nice, system, *_ = map(int, counts.read_text().splitlines()[0].split()[1:])
    return user + nice + system


def commit() -> str:
    """The project's commit, marked `-dirty` if files have changed since."""
    command = ["git", "-C", str(FOLDER), "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
