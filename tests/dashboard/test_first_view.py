"""The first view is answered before what it does not need is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("httpx")

TESTS = Path(__file__).parents[1]
LATE = ("scipy.stats", "matplotlib", "jinja2", "nanoscope.experiments.neurons", "nanoscope.dashboard.stored")
PROGRAM = f"""
import sys
from pathlib import Path
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient
import nanoscope.dashboard.serve
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.app import application
from nanoscope.dashboard.session import Session

session = Session([Path("small")], [Checkpoint(random_model(vocab_size=26), LETTERS)])
client = TestClient(application(session), base_url="http://127.0.0.1")
for address in ("models", "model", "text?text=abc", "lens?text=abc", "attention?text=abc", "lens/tuned"):
    assert client.get(f"/api/{{address}}").status_code == 200, address
assert client.get("/").status_code == client.get("/page.js").status_code == 200
print([name for name in {LATE!r} if name in sys.modules])
assert client.get("/api/neurons?text=abc").status_code == 200
assert client.get("/api/heads/opened").status_code == 200
print([name for name in {LATE!r} if name in sys.modules])
"""


def test_what_the_first_view_does_not_need_is_imported_when_it_is_asked_for() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=TESTS)
    first, later = found.stdout.splitlines()
    assert first == "[]"
    assert later == str(list(LATE))
