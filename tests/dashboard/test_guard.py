"""Who is answered: this machine's own page with the key of the opened address; all others are refused in one line."""

from pathlib import Path

import pytest

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.app import application
from nanoscope.dashboard.guard import CLOSED, KEY, new_key
from nanoscope.dashboard.limits import LARGEST
from nanoscope.dashboard.session import Session

HOME = "http://127.0.0.1:8765"
MODELS = "/api/models"


@pytest.fixture(scope="module")
def session() -> Session:
    return Session([Path("small")], [Checkpoint(random_model(vocab_size=26), LETTERS)])


@pytest.fixture
def client(session: Session) -> TestClient:
    return TestClient(application(session), base_url=HOME)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": HOME}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "localhost:8765", "Origin": "http://localhost:8765"}, 200),
        ({"Host": "example.org"}, 400),
        ({"Host": "127.0.0.1.example.org"}, 400),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Length": str(LARGEST + 1)}, 413),
    ],
)
def test_only_the_page_of_this_machine_is_answered(client: TestClient, headers: dict[str, str], status: int) -> None:
    answer = client.get(MODELS, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert status == 200 or set(answer.json()) == {"error"}


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_what_changes_something_takes_its_own_method(client: TestClient, method: str) -> None:
    assert getattr(client, method)("/api/heads/measure").status_code in (404, 405)


def test_the_api_needs_the_key_and_the_page_does_not(session: Session) -> None:
    key = new_key()
    app = application(session, key)
    other, own = TestClient(app, base_url=HOME), TestClient(app, base_url=HOME)
    assert other.get("/").status_code == other.get("/page.js").status_code == 200
    for asked in ("", f"?{KEY}=", f"?{KEY}={key[:-1]}", f"?{KEY}=é"):
        refused = other.get(f"{MODELS}{asked}")
        assert refused.status_code == 401
        assert refused.json() == {"error": CLOSED}
    assert other.post("/api/heads/measure").status_code == 401
    cookie = own.get(f"/?{KEY}={key}").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert own.get(MODELS).json() == ["small"]
    assert "Set-Cookie" not in other.get(f"/?{KEY}=wrong").headers


def test_a_key_of_another_port_opens_nothing(session: Session) -> None:
    app = application(session, "mine")
    client = TestClient(app, base_url=HOME, cookies={"nanoscope-8766": "mine"})
    assert client.get(MODELS).status_code == 401


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 20 for key in keys)
