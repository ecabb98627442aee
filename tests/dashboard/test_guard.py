"""Who is answered: this machine's own page with the key of the opened address; all others are refused in one line."""

import socket
from pathlib import Path

import pytest

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.app import application
from nanoscope.dashboard.guard import CLOSED, KEY, new_key
from nanoscope.dashboard.hosts import Where
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
    assert "max-age=" in cookie.lower()  # a link opens in this browser after it was closed, too
    assert own.get(MODELS).json() == ["small"]
    assert "Set-Cookie" not in other.get(f"/?{KEY}=wrong").headers


def test_elsewhere_than_on_this_machine_the_page_needs_the_key_too(session: Session) -> None:
    key, home = new_key(), "http://192.0.2.7:8765"
    app = application(session, key, Where("192.0.2.7"))
    other, own = TestClient(app, base_url=home), TestClient(app, base_url=home)
    for address in ("/", "/page.js", f"/?{KEY}=wrong", MODELS):
        refused = other.get(address)
        assert (refused.status_code, refused.json()) == (401, {"error": CLOSED})
    assert own.get(f"/?{KEY}={key}").status_code == own.get("/page.js").status_code == 200
    assert own.get(MODELS).json() == ["small"]
    for host, status in (("localhost:8765", 200), ("192.0.2.8:8765", 400), ("example.org", 400)):
        assert own.get("/", headers={"Host": host}).status_code == status
    assert own.get(MODELS, headers={"Origin": "http://example.org"}).status_code == 403


@pytest.mark.parametrize(
    ("where", "host", "answered"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "192.0.2.7", False),
        ("127.0.0.1", "[::1", False),
        ("::1", "[::1]:8765", True),
        ("lab.example", "lab.example:8765", True),
        ("lab.example", "evil.example:8765", False),
        ("0.0.0.0", "192.0.2.7:8765", True),
        ("0.0.0.0", "[2001:db8::7]:8765", True),
        ("0.0.0.0", f"{socket.gethostname()}:8765", True),
        ("0.0.0.0", "evil.example:8765", False),
        ("::", "evil.example", False),
    ],
)
def test_names_that_are_answered(where: str, host: str, answered: bool) -> None:
    assert Where(where).answers_to(host) is answered


def test_what_only_this_machine_reaches() -> None:
    alone = {name: Where(name).is_loopback for name in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "192.0.2.7", "lab")}
    assert alone == dict.fromkeys(("127.0.0.1", "localhost", "::1"), True) | dict.fromkeys(
        ("0.0.0.0", "192.0.2.7", "lab"), False
    )
    assert Where("::1").shown == "[::1]"
    assert Where("0.0.0.0").shown == socket.gethostname()


def test_a_key_of_another_port_opens_nothing(session: Session) -> None:
    app = application(session, "mine")
    client = TestClient(app, base_url=HOME, cookies={"nanoscope-8766": "mine"})
    assert client.get(MODELS).status_code == 401


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 20 for key in keys)
