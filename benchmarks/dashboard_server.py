"""The dashboard's server as its users start it: a process of its own, whose address and memory are known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

OPEN = "from nanoscope.cli import main; main()"


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    """As it is printed, with the key."""
    pid: int

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@contextmanager
def served(checkpoint: Path, threads: int) -> Iterator[Server]:
    """`nanoscope open` on a free port, until the block ends."""
    options = ["--port", "0", "--no-browser", "--threads", str(threads)]
    command = [sys.executable, "-u", "-c", OPEN, "open", str(checkpoint), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = next((line for line in process.stdout if "http://" in line), "")
            if not said:
                raise SystemExit("the server did not start; its message is above")
            yield Server(said.split("dashboard: ")[1].split()[0], process.pid)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
