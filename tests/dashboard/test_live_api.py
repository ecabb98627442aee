"""What is measured for the page: streams say the library's own values, end where nobody listens, and are few at a time."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx")
from conftest import LETTERS, random_model
from fastapi import HTTPException
from fastapi.testclient import TestClient

from nanoscope.analysis.causal import patching
from nanoscope.analysis.neurons import statistics as neuron_statistics
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard import jobs, lenses, limits, neurons
from nanoscope.dashboard.app import application
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.session import Session
from nanoscope.interventions.generate import generate
from nanoscope.tasks.metrics import logit_diff
from nanoscope.views import ablate, circuit, live, neuron_cards, pairs, patch, why
from nanoscope.views.lens import fitted

TEXT = "abcabdacbz"
PATIENCE = 30.0
"""Seconds after which a thread that goes on is taken for one that never ends."""
PAIR = {"clean": "abcabdacbzq", "corrupt": "abcxbdacbzq", "answer": "e", "wrong": "f"}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of these letters, to measure on."""
    file = tmp_path_factory.mktemp("text") / "letters.txt"
    rng = np.random.default_rng(0)
    file.write_text("".join(rng.choice(list(LETTERS.symbols), 30_000)))
    return file


@pytest.fixture(scope="module")
def session(checkpoint: Checkpoint, letters: Path) -> Session:
    return Session([Path("a/small")], [checkpoint], data=str(letters))


@pytest.fixture(scope="module")
def client(session: Session) -> TestClient:
    return TestClient(application(session), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def task(checkpoint: Checkpoint) -> Any:
    return pairs.task_of(checkpoint, (PAIR["clean"], PAIR["corrupt"]), (PAIR["answer"], PAIR["wrong"]))[0]


def values(answer: Any) -> list[dict[str, Any]]:
    """The values of a stream, which ends as it should."""
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1] == {"end": True}, lines[-1]
    return [line["value"] for line in lines if "value" in line]


@pytest.mark.parametrize("direction", ["denoise", "noise"])
def test_a_streamed_sweep_is_that_of_the_library(
    client: TestClient, checkpoint: Checkpoint, task: Any, direction: Any
) -> None:
    found = values(client.post("/api/patch", json=PAIR | {"sweep": "residual", "direction": direction}))
    cells = patch.grid(checkpoint.model, task, "residual")
    expected = patching.exact(checkpoint.model, task, logit_diff, cells, directions=[direction])
    changes = [change for part in found for change in part["changes"]]
    np.testing.assert_allclose(changes, expected.change.values.ravel(), atol=1e-5)
    assert [part["first"] for part in found] == list(range(0, len(changes), len(found[0]["changes"])))
    assert found[-1]["clean"] == pytest.approx(float(expected.clean.mean()))
    assert [axis["name"] for axis in found[0]["axes"]] == ["layer", "pos"]
    assert found[0]["axes"][0]["labels"] == ["into L0", "into L1", "into L2", "output"]


def test_a_found_circuit_is_that_of_the_library_and_runs(client: TestClient, checkpoint: Checkpoint, task: Any) -> None:
    (found,) = values(client.post("/api/circuit", json=PAIR | {"edges": 12}))
    expected = circuit.find(checkpoint.model, task, task, circuit.Wanted("exact", 12))
    assert found["edges"] == [str(edge) for edge in expected.circuit.edges]
    assert found["faithfulness"] == pytest.approx(expected.faithful, abs=1e-5)
    left = client.post("/api/circuit/run", json=PAIR | {"edges": found["edges"]}).json()
    assert left["faithfulness"] == pytest.approx(expected.faithful, abs=1e-4)
    off = {"edges": found["edges"], "off_nodes": ["logits"]}
    assert client.post("/api/circuit/run", json=PAIR | off).json()["faithfulness"] == pytest.approx(0, abs=1e-5)
    model = {"edges": [], "within": "model"}
    assert client.post("/api/circuit/run", json=PAIR | model).json()["faithfulness"] == pytest.approx(1, abs=1e-5)


def test_neurons_are_measured_once_and_then_have_cards(client: TestClient, session: Session) -> None:
    before = client.get("/api/neurons", params={"text": TEXT, "neuron": "L1N3"}).json()
    assert (before["measured"], before["neurons"][0]["name"]) == (False, "L1N3")
    early = client.get("/api/neurons/card", params={"neuron": "L1N3"})
    assert (early.status_code, "press Measure" in early.json()["error"]) == (400, True)
    (measured,) = values(client.post("/api/neurons/measure"))
    assert measured["corpus"] == "letters"
    over = session.kept.known(("neurons", 0))
    card = client.get("/api/neurons/card", params={"neuron": "L1N3"}).json()
    expected = neuron_cards.card(over, (1, 3))
    assert card["counts"] == list(expected.counts)
    assert card["examples"][0]["text"] == expected.examples[0].text
    assert client.get("/api/neurons", params={"text": TEXT}).json()["measured"]
    values(client.post("/api/neurons/measure"))
    assert session.kept.known(("neurons", 0)) is over, "a second press measures nothing again"


def test_a_tuned_lens_is_fitted_and_then_read(client: TestClient, checkpoint: Checkpoint, session: Session) -> None:
    assert client.get("/api/lens/tuned").json() is None
    assert client.get("/api/lens", params={"text": TEXT, "lens": "tuned"}).status_code == 400
    (fit,) = values(client.post("/api/lens/tuned"))
    assert fit["tuned_kl"] < fit["logit_kl"]
    assert client.get("/api/lens/tuned").json() == fit
    found = client.get("/api/lens", params={"text": TEXT, "lens": "tuned"}).json()
    by = fitted(checkpoint, session.corpus(0)).translation.lens(checkpoint.model)
    np.testing.assert_allclose(found["kl"], live.lens(checkpoint, TEXT, by=by).kl, atol=1e-5)


def test_the_reason_of_a_score_is_that_of_the_library(client: TestClient, checkpoint: Checkpoint) -> None:
    found = client.get("/api/why", params={"text": TEXT, "head": "L2H1", "query": 8, "attended": 3}).json()
    expected = why.why(checkpoint, TEXT, "L2H1", 8, 3)
    np.testing.assert_allclose(found["parts"], expected.above.parts, atol=1e-6)
    assert np.sum(found["parts"]) == pytest.approx(found["total"], abs=1e-5)
    assert found["sentence"] == why.reason(expected)


@pytest.mark.parametrize("how", ["other", "corpus"])
def test_another_texts_values_and_the_corpuses_replace_what_is_off(
    client: TestClient, checkpoint: Checkpoint, session: Session, how: Any
) -> None:
    names, other = ["L0H1", "L1N4*2"], "xyzq"
    asked = {"text": TEXT, "off": ",".join(names), "how": how, "other": other}
    means = ablate.corpus_means(checkpoint, session.corpus(0))
    edits = ablate.changes(checkpoint, TEXT, names, how, other, means)
    found = client.get("/api/text", params=asked).json()
    np.testing.assert_allclose(found["chance"], live.predictions(checkpoint, TEXT, edits).chance, rtol=1e-4)
    written = client.get("/api/sample", params=asked | {"length": 5, "seed": 1})
    if how == "other":
        assert (written.status_code, "more positions" in written.json()["error"]) == (400, True)
    else:
        text = generate(checkpoint, TEXT, steps=5, temperature=0.8, seed=1, edits=edits)
        assert TEXT + written.text == text


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("patch", {}, 422),
        ("patch", PAIR | {"sweep": "nothing"}, 422),
        ("patch", PAIR | {"path": "/etc/passwd"}, 422),
        ("patch", PAIR | {"wrong": None}, 422),
        ("patch", PAIR | {"clean": "a" * 4001}, 422),
        ("patch", PAIR | {"corrupt": "abc"}, 400),
        ("patch", PAIR | {"corrupt": PAIR["clean"]}, 400),
        ("patch", PAIR | {"sweep": "neurons"}, 400),
        ("patch", PAIR | {"model": 7}, 400),
        ("patch", PAIR | {"answer": "ee"}, 400),
        ("patch/cell", PAIR | {"cell": -1}, 422),
        ("patch/cell", PAIR | {"cell": 19_999}, 400),
        ("circuit", PAIR | {"edges": 0}, 422),
        ("circuit", PAIR | {"edges": 4999}, 400),
        ("circuit", PAIR | {"method": "learned"}, 422),
        ("circuit/run", PAIR | {"edges": ["x"] * 5001}, 422),
        ("circuit/run", PAIR | {"edges": ["L2H0->L0H0.q"]}, 400),
        ("circuit/run", PAIR | {"edges": [], "off_nodes": ["../x"]}, 400),
        ("neurons/measure?model=7", None, 400),
        ("lens/tuned?model=7", None, 400),
        ("features/measure", None, 400),
        ("features/measure?dictionary=-1", None, 422),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    client: TestClient, address: str, body: Any, status: int
) -> None:
    answer = client.post(f"/api/{address}", json=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]


def test_a_large_body_is_refused_whether_it_says_so_or_not(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 16_384

    for content in (b" " * (limits.LARGEST + 1), chunks()):
        answer = client.post("/api/patch", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413, answer.text


def test_another_sites_page_cannot_measure(client: TestClient) -> None:
    for said in ({"Origin": "http://example.org"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert client.post("/api/patch", json=PAIR, headers=said).status_code == 403
    assert client.post("/api/patch", json=PAIR, headers={"Origin": "http://127.0.0.1"}).status_code == 200


# ---- jobs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    value: int


def endless(ended: threading.Event) -> Any:
    """A measurement that only ends where it is cancelled."""

    def measure(job: Job) -> Iterator[Number]:
        try:
            for n in range(10**9):
                job.progress("counting", n, 10**9)
                time.sleep(0.001)
            yield Number(0)
        finally:
            ended.set()

    return measure


def test_a_measurement_ends_when_nobody_listens(session: Session) -> None:
    ended = threading.Event()

    async def left_early() -> None:
        lines = session.jobs.streamed(endless(ended)).body_iterator
        assert json.loads(await anext(lines))["progress"][0] == "counting"  # type: ignore[call-overload]
        await lines.aclose()  # type: ignore[attr-defined]

    asyncio.run(left_early())
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("measure", "part", "what"),
    [
        (neurons.measure, neuron_statistics.PART, ("neurons", 0)),
        (lenses.fit, "fitting the tuned lens", ("tuned lens", 0)),
    ],
)
def test_a_long_measurement_ends_soon_after_it_is_cancelled(
    checkpoint: Checkpoint, letters: Path, measure: Any, part: str, what: Any
) -> None:
    session = Session([Path("a/small")], [checkpoint], data=str(letters))

    async def left_at_once() -> None:
        lines = (await measure(session, 0)).body_iterator
        async for line in lines:
            if json.loads(str(line))["progress"][0] == part:
                break
        await lines.aclose()

    asyncio.run(left_at_once())
    began = time.monotonic()
    while any(one.name == jobs.NAME for one in threading.enumerate()):
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.01)
    assert session.kept.known(what) is None


def test_only_so_many_are_measured_at_a_time_and_the_next_is_told_when_to_ask(session: Session) -> None:
    ends = [threading.Event() for _ in range(jobs.MOST)]

    async def crowded() -> None:
        running = [session.jobs.streamed(endless(one)) for one in ends]
        streams = [one.body_iterator for one in running]
        for stream in streams:
            await anext(stream)  # type: ignore[call-overload]
        with pytest.raises(HTTPException) as refused:
            session.jobs.streamed(endless(threading.Event()))
        assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": str(jobs.RETRY)})
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(crowded())
    assert all(one.wait(5) for one in ends)


def test_what_goes_wrong_is_said_in_the_last_line(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    def measure(job: Job) -> Iterator[Number]:
        yield Number(1)
        raise ZeroDivisionError

    async def told() -> list[dict[str, Any]]:
        return [json.loads(line) async for line in session.jobs.streamed(measure).body_iterator]

    said = asyncio.run(told())
    assert said[0] == {"value": {"value": 1}}
    assert "the measurement failed" in said[1]["error"]
    assert "ZeroDivisionError" in caplog.text


def test_a_request_of_the_page_goes_before_the_next_part_of_a_measurement(session: Session) -> None:
    order: list[str] = []
    holding, asked = threading.Event(), threading.Event()

    def long() -> None:
        with session.busy.after_others():
            holding.set()
            asked.wait(5)
            time.sleep(0.05)
            session.busy.offer()
            order.append("measurement")

    def short() -> None:
        asked.set()
        with session.busy:
            order.append("page")

    threads = [threading.Thread(target=one) for one in (long, short)]
    threads[0].start()
    holding.wait(5)
    threads[1].start()
    for one in threads:
        one.join(5)
    assert order == ["page", "measurement"]
