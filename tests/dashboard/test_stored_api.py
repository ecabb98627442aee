"""The addresses of stored results: the views' own values, and one line for what is not there."""

import io
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient
from watched import PUBLISHED

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard import messages
from nanoscope.dashboard.app import application
from nanoscope.dashboard.export import page
from nanoscope.dashboard.session import Session
from nanoscope.dashboard.stored import NONE

published = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    small = Checkpoint(random_model(vocab_size=26), LETTERS, sha256="of no study")
    return Session([Path("a/small")], [small], PUBLISHED, tmp_path_factory.mktemp("mine"))


@pytest.fixture(scope="module")
def client(session: Session) -> TestClient:
    return TestClient(application(session), base_url="http://127.0.0.1")


@published
def test_what_is_stored_is_answered_as_the_views_have_it(client: TestClient, session: Session) -> None:
    stored = session.stored
    assert client.get("/api/stored").json() == messages.plain(stored.index)
    assert client.get("/api/findings").json() == messages.plain(stored.sections)
    assert client.get("/api/heads/stored?number=1").json() == messages.plain(stored.heads(1))
    assert client.get("/api/circuits/stored?number=1").json() == messages.plain(stored.circuit(1))
    assert client.get("/api/training?number=1").json() == messages.plain(stored.training(1))
    shown = stored.sections[0].figures[0]
    picture = client.get("/api/figure", params={"result": shown.result, "name": shown.name})
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


@published
def test_a_checkpoint_of_no_study_has_no_stored_heads(client: TestClient) -> None:
    found = client.get("/api/heads/opened").json()
    assert found["stored"] == -1
    assert found["table"] is None
    assert found["seconds"] > 0
    assert client.get("/api/steps").json() == []


@published
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("heads/stored?number=999", 400),
        ("heads/stored?number=-1", 422),
        ("heads/opened?model=7", 400),
        ("training?number=many", 422),
        ("training?number=99", 400),
        ("circuits/stored?number=99", 400),
        ("circuits/stored?number=-1", 422),
        ("figure", 422),
        ("figure?result=heads-000000000000&name=heads_taxonomy", 400),
        ("figure?result=../../heads-000000000000&name=x", 422),
        ("figure?result=heads-000000000000&name=../x", 422),
        ("figure?result=heads-000000000000&name=x&kind=exe", 422),
        ("step?text=a&step=3", 400),
        ("step?text=a&step=-3", 422),
        ("step?step=3", 422),
        (f"figure?result={'a' * 5000}-000000000000&name=x", 422),
    ],
)
def test_what_is_not_there_is_said_in_one_line(client: TestClient, address: str, status: int) -> None:
    answer = client.get(f"/api/{address}")
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]


def test_without_a_study_the_page_says_how_to_open_one(tmp_path: Path) -> None:
    client = TestClient(application(Session([], keep=tmp_path)), base_url="http://127.0.0.1")
    for address in ("stored", "findings", "heads/stored", "training"):
        answer = client.get(f"/api/{address}")
        assert (answer.status_code, answer.json()) == (400, {"error": NONE})


def test_an_exported_page_holds_its_answers_and_its_script_and_names_no_other_file() -> None:
    held = {"stored": {"name": "</script><b>", "date": float("nan")}}
    text = page(held)
    found = re.search(r'<script type="application/json" id="answers">(.*?)</script>', text, re.DOTALL)
    assert found
    assert json.load(io.StringIO(found[1])) == {"stored": {"name": "</script><b>", "date": None}}
    assert not re.search(r"(src|href)=\"(?!data:)", text.split('id="answers"', maxsplit=1)[0])
    assert "default-src 'none'" in text
