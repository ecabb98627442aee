"""The built page that ships in the package: small, and what `npm ci && npm run build` makes of the sources, byte for byte."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONTEND, STATIC = ROOT / "frontend", ROOT / "src" / "nanoscope" / "dashboard" / "static"
LARGEST = 150_000
OLDEST = 20
"""Node's version at least, for the bundler."""


def shipped(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_page_is_small() -> None:
    assert sum(len(gzip.compress(content)) for content in shipped(STATIC).values()) <= LARGEST


def test_the_page_names_no_other_host() -> None:
    known = ("http://www.w3.org/",)
    for name, content in shipped(STATIC).items():
        found = re.findall(r"https?://[^\s\"'`)]+", content.decode())
        assert [one for one in found if not one.startswith(known)] == [], name


def test_the_mirrored_messages_have_the_fields_of_the_views() -> None:
    from dataclasses import fields

    from nanoscope.dashboard import stored
    from nanoscope.views import stored_circuits, stored_findings, stored_heads, stored_training

    mirrored = (FRONTEND / "src" / "stored.ts").read_text()
    written = {
        name: re.findall(r"^  (\w+):", body, re.MULTILINE)
        for name, body in re.findall(r"export interface (\w+) \{\n(.*?)\n\}", mirrored, re.DOTALL)
    }
    views = {
        "Told": stored_findings.Told,
        "Claim": stored_findings.ShownClaim,
        "Figure": stored_findings.Figure,
        "Section": stored_findings.ShownSection,
        "Measure": stored_heads.Measure,
        "HeadTable": stored_heads.HeadTable,
        "KeptBy": stored_circuits.KeptBy,
        "StoredCircuit": stored_circuits.StoredCircuit,
        "Curve": stored_training.Curve,
        "Happening": stored_training.Happening,
        "EveryHead": stored_training.EveryHead,
        "TrainingHistory": stored_training.TrainingHistory,
        "Index": stored.Index,
        "OpenedHeads": stored.OpenedHeads,
    }
    assert written == {name: [field.name for field in fields(view)] for name, view in views.items()}


@pytest.mark.slow
def test_the_bundle_is_built_from_its_sources(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no Node here; install nodejs and npm to build the page")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(f"the bundler needs Node {OLDEST} or newer; this is {version.strip()}")
    if subprocess.run([npm, "ping"], capture_output=True, check=False).returncode:
        pytest.skip("no package registry can be reached")
    copy = tmp_path / "frontend"
    shutil.copytree(FRONTEND, copy, ignore=shutil.ignore_patterns("node_modules"))
    for command in (["ci"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert shipped(tmp_path / "src" / "nanoscope" / "dashboard" / "static") == shipped(STATIC)
