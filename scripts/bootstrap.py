"""Make .venv and install nanoscope into it, with the CPU build of torch where there is no NVIDIA card.

Uses the standard library only. A stamp makes a second call instant. The Makefile calls it; so may you:
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
        sys.exit(f"nanoscope needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
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
    """What the environment was made from."""
    files = ("pyproject.toml", "constraints.txt", "scripts/bootstrap.py")
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in files) + sys.version.encode()).hexdigest()


def install_torch() -> None:
    """The smallest build that fits: already there, local CPU build, CPU build through uv, and last the default one."""
    if subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        return
    default_is_small = sys.platform != "linux" or Path("/proc/driver/nvidia/version").exists()
    if not default_is_small and (local_cpu_build() or cpu_build_through_uv()):
        return
    if not default_is_small:
        print("no CPU build of torch within reach: installing the default one, some gigabytes", flush=True)
    if not pip("install", "-qq", "--constraint", str(ROOT / "constraints.txt"), TORCH):
        sys.exit("torch could not be installed; see pip's message above")


def local_cpu_build() -> bool:
    """From whatever places this machine's pip is configured with; a plain "no" takes seconds."""
    return pip("install", "-qq", "--retries", "0", "--no-deps", CPU_BUILD, quiet=True)


def cpu_build_through_uv() -> bool:
    """uv knows where PyTorch keeps its CPU builds."""
    if not pip("install", "-qq", "uv", quiet=True):
        return False
    command = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON, "--torch-backend", "cpu", TORCH]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def pip(*arguments: str, quiet: bool = False) -> bool:
    """Run the environment's pip; was it successful?"""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=quiet, check=False).returncode == 0


if __name__ == "__main__":
    main()
