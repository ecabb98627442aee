"""Create .venv and install nanoscope into it, with the CPU build of torch on machines without an NVIDIA GPU.

Uses only the standard library. A stamp file makes later calls instant. Called by the Makefile, or directly:
`python3 scripts/bootstrap.py`.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
STAMP = VENV / ".nanoscope-stamp"
TORCH = "torch>=2.11,<2.14"
CPU_BUILD = "torch==2.13.0+cpu"


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"nanoscope needs Python 3.11 or newer; this is Python {sys.version.split()[0]}")
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return
    print("setting up .venv (a minute or two, once)", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    install_torch()
    if not pip("install", "-qq", "--constraint", str(ROOT / "constraints.txt"), "--editable", f"{ROOT}[dev]"):
        sys.exit("the installation failed; see pip's message above")
    STAMP.write_text(fingerprint())


def fingerprint() -> str:
    """Hash of everything that determines the environment."""
    files = ("pyproject.toml", "constraints.txt", "scripts/bootstrap.py")
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in files) + sys.version.encode()).hexdigest()


def install_torch() -> None:
    """Install torch unless it is there: a local CPU build, else a CPU build through uv, else the default build."""
    if subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        return
    default_is_small = sys.platform != "linux" or Path("/proc/driver/nvidia/version").exists()
    if not default_is_small and (local_cpu_build() or cpu_build_through_uv()):
        return
    if not default_is_small:
        print("no CPU build of torch was found; installing the default build (several gigabytes)", flush=True)
    if not pip("install", "-qq", "--constraint", str(ROOT / "constraints.txt"), TORCH):
        sys.exit("torch could not be installed; see pip's message above")


def local_cpu_build() -> bool:
    """Install the CPU build from the sources that pip is configured with; a failure takes only seconds."""
    return pip("install", "-qq", "--retries", "0", "--no-deps", CPU_BUILD, quiet=True)


def cpu_build_through_uv() -> bool:
    """Install the CPU build with uv, which knows PyTorch's index of CPU builds."""
    if not pip("install", "-qq", "uv", quiet=True):
        return False
    command = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON, "--torch-backend", "cpu", TORCH]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def pip(*arguments: str, quiet: bool = False) -> bool:
    """Run the environment's pip; returns whether it succeeded."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=quiet, check=False).returncode == 0


if __name__ == "__main__":
    main()
