"""Every address of the page gives the library's own values, and refuses what is malformed, too long or from elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi.testclient import TestClient

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.app import application
from nanoscope.dashboard.serve import listening
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import mean, zero
from nanoscope.interventions.generate import generate
from nanoscope.interventions.run import activations, run
from nanoscope.model.names import component
from nanoscope.views import heads, live
from nanoscope.views.lens import read

TEXT = "abcabdacbz"
OFF = ("L0H1", "L1.mlp")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


@pytest.fixture(scope="module")
def client(checkpoint: Checkpoint) -> TestClient:
    session = Session([Path("a/small"), Path("b/missing")], [checkpoint])
    return TestClient(application(session), base_url="http://127.0.0.1")


def test_predictions_are_the_models_own(client: TestClient, checkpoint: Checkpoint) -> None:
    found = client.get("/api/text", params={"text": TEXT}).json()
    log_probs = run(checkpoint, TEXT).logits[0].log_softmax(-1)
    tokens = checkpoint.encode(TEXT)
    expected = [-float(log_probs[at, tokens[at + 1]]) for at in range(len(TEXT) - 1)]
    assert found["loss"][0] is None
    np.testing.assert_allclose(found["loss"][1:], expected, rtol=1e-5)
    assert found["mean_loss"] == pytest.approx(np.mean(expected), rel=1e-5)
    np.testing.assert_allclose(found["chance"], log_probs.exp().topk(5).values, rtol=1e-5)
    assert found["top"][3][0] == LETTERS.symbols[int(log_probs[3].argmax())]
    assert found["pieces"] == list(TEXT)
    assert found["before"] is None


@pytest.mark.parametrize("how", ["zero", "mean"])
def test_an_ablation_is_the_edit_of_the_library(client: TestClient, checkpoint: Checkpoint, how: str) -> None:
    sites = [component(name) for name in OFF]
    cache = activations(checkpoint.model, checkpoint.encode(TEXT)[None], keep=sites)
    edits = [zero(site) if how == "zero" else mean(site, cache, ("batch", "pos")) for site in sites]
    log_probs = run(checkpoint, TEXT, edits).logits[0].log_softmax(-1)
    found = client.get("/api/text", params={"text": TEXT, "off": ",".join(OFF), "how": how}).json()
    np.testing.assert_allclose(found["chance"], log_probs.exp().topk(5).values, rtol=1e-5)
    plain = client.get("/api/text", params={"text": TEXT}).json()
    assert found["before"]["loss"] == plain["loss"] != found["loss"]


def test_the_lens_is_that_of_the_library_and_ends_in_the_prediction(client: TestClient, checkpoint: Checkpoint) -> None:
    found = client.get("/api/lens", params={"text": TEXT}).json()
    expected = read(checkpoint, TEXT, checkpoint.model.unembed).values
    chance = np.array(found["chance"])
    np.testing.assert_allclose(chance[:, :, 0], expected.sel(measure="chance").values, rtol=1e-5)
    np.testing.assert_allclose(found["kl"], expected.sel(measure="kl").values, atol=1e-6)
    np.testing.assert_allclose(chance[-1], client.get("/api/text", params={"text": TEXT}).json()["chance"], rtol=1e-6)


def test_an_ablated_lens_ends_in_the_ablated_prediction(client: TestClient) -> None:
    asked = {"text": TEXT, "off": "L2.attn,L0H0"}
    lens, text = (client.get(f"/api/{name}", params=asked).json() for name in ("lens", "text"))
    np.testing.assert_allclose(lens["chance"][-1], text["chance"], rtol=1e-6)
    assert not np.array(lens["kl"][-1]).any()


def test_patterns_come_as_bytes_within_half_a_step(client: TestClient, checkpoint: Checkpoint) -> None:
    expected = heads.attention(checkpoint, TEXT).values
    answer = client.get("/api/attention", params={"text": TEXT})
    shape = [int(size) for size in answer.headers["X-Shape"].split(",")]
    values = np.frombuffer(answer.content, np.uint8).reshape(shape)
    np.testing.assert_allclose(values * float(answer.headers["X-Scale"]), expected, atol=0.5 / 255 + 1e-6)
    one = client.get("/api/attention", params={"text": TEXT, "layer": 2, "head": 1})
    np.testing.assert_allclose(np.frombuffer(one.content, "<f2").reshape(10, 10), expected[2, 1], atol=1e-3)


def test_weighted_patterns_are_attention_times_the_length_of_values(checkpoint: Checkpoint) -> None:
    cache = activations(checkpoint.model, checkpoint.encode(TEXT)[None], keep=["pattern", "v"])
    found = live.patterns(checkpoint, TEXT, weighted=True, layer=1)[0, 1, 7]
    slow = cache["pattern", 1][0, 1, 7] * torch.stack([cache["v", 1][0, key, 1].norm() for key in range(len(TEXT))])
    np.testing.assert_allclose(found, slow / slow.sum(), rtol=1e-5)


def test_shared_values_are_weighted_by_their_group() -> None:
    model = random_model(vocab_size=26, n_kv_head=1)
    found = live.patterns(Checkpoint(model, LETTERS), TEXT, weighted=True)
    assert found.shape == (3, 2, 10, 10)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_written_text_is_that_of_generate(client: TestClient, checkpoint: Checkpoint) -> None:
    asked = {"text": TEXT, "length": 30, "temperature": 0.7, "seed": 3, "off": "L0H1"}
    edits = [zero(component("L0H1"))]
    assert TEXT + client.get("/api/sample", params=asked).text == generate(
        checkpoint, TEXT, steps=30, temperature=0.7, seed=3, edits=edits
    )


def test_a_long_text_is_cut_and_the_page_is_told(client: TestClient) -> None:
    found = client.get("/api/text", params={"text": "abc" * 20}).json()
    assert len(found["pieces"]) == 24
    assert "its last 24 of 60" in found["note"]


@pytest.mark.parametrize(
    ("address", "asked", "status"),
    [
        ("text", {}, 422),
        ("text", {"text": ""}, 422),
        ("text", {"text": "a" * 4001}, 422),
        ("text", {"text": "a", "model": -1}, 422),
        ("text", {"text": "a", "model": "x"}, 422),
        ("text", {"text": "a", "model": 2}, 400),
        ("text", {"text": "a", "model": 1}, 400),
        ("text", {"text": "A"}, 400),
        ("text", {"text": "a", "off": "L9H0"}, 400),
        ("text", {"text": "a", "off": "L0"}, 400),
        ("text", {"text": "a", "off": "../x"}, 422),
        ("text", {"text": "a", "how": "another"}, 422),
        ("text", {"text": "a", "off": "L0H0", "how": "other"}, 400),
        ("text", {"text": "a", "off": "L0N4*1000"}, 400),
        ("lens", {"text": "a", "off": "L0H0," * 1000}, 422),
        ("attention", {"text": "a", "layer": 0}, 422),
        ("attention", {"text": "a", "layer": 3, "head": 0}, 422),
        ("sample", {"text": "a", "length": 100000}, 422),
        ("sample", {"text": "a", "temperature": "nan"}, 422),
        ("sample", {"text": "a", "off": "L9H0"}, 400),
        ("nothing", {}, 404),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    client: TestClient, address: str, asked: dict, status: int
) -> None:
    answer = client.get(f"/api/{address}", params=asked)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]


def test_only_this_machine_is_answered(client: TestClient) -> None:
    assert client.get("/api/models", headers={"Host": "example.org"}).status_code == 400
    assert client.get("/api/models", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/api/models", headers={"Sec-Fetch-Site": "same-origin"}).json() == ["small", "missing"]


def test_the_page_is_strict_and_has_no_side_doors(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "<script" in page.text
    assert client.get("/page.js").status_code == 200
    for path in ("/docs", "/openapi.json", "/../app.py", "/%2e%2e/app.py", "/..%2fapp.py"):
        assert client.get(path).status_code == 404, path


def test_a_taken_port_and_one_that_is_none_are_said() -> None:
    with listening(0) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"
        with pytest.raises(NanoscopeError, match="choose another with --port"):
            listening(opened.getsockname()[1])
    with pytest.raises(NanoscopeError, match="a port is"):
        listening(70000)
