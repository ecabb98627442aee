"""What a measurement depends on: the machine, its load, and an environment for each peer.

Two threads on two cores stall for milliseconds at every parallel region when anything else wants a core, so the load of
others is looked at before each comparison and recorded with it.
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
"""Peers with an environment of their own; every other worker runs in the project's."""


class Unavailable(Exception):
    """A contestant cannot take part; the message is one line for the results."""


def python_of(worker: str) -> str:
    """The interpreter for a worker; its environment is made where it is missing."""
    if worker not in REQUIREMENTS:
        return sys.executable
    folder = ENVIRONMENTS / worker.removesuffix("_worker")
    python, stamp = folder / "bin" / "python", folder / "made-from.txt"
    wanted = f"{TORCH}\n{REQUIREMENTS[worker]}\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making an environment with {REQUIREMENTS[worker]}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, python, wanted.split())
        stamp.write_text(wanted)
    return str(python)


def _make(folder: Path, python: Path, requirements: list[str]) -> None:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    made = [uv, "venv", "-q", "--python", sys.executable, str(folder)] if uv else [sys.executable, "-m", "venv", folder]
    pip = [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    places = {"UV_FIND_LINKS": os.environ["PIP_FIND_LINKS"]} if "PIP_FIND_LINKS" in os.environ else {}
    for command in (made, [*pip, *requirements, "safetensors"]):
        done = subprocess.run(command, env=places | os.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            raise Unavailable(f"its environment could not be made ({requirements[-1]})")


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
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def load_of_others(seconds: float = 1.0) -> float | None:
    """How many cores are busy while this process sleeps (Linux; elsewhere None)."""
    before = _busy()
    time.sleep(seconds)
    after = _busy()
    if before is None or after is None:
        return None
    return round((after - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)


def _busy() -> int | None:
    """Ticks that all processors together have worked so far."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return None
    user, nice, system, *_ = map(int, counts.read_text().splitlines()[0].split()[1:])
    return user + nice + system


def commit() -> str:
    """The project's commit, with a mark where files have changed since."""
    command = ["git", "-C", str(FOLDER), "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
