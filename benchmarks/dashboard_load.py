"""The dashboard under load: `python benchmarks/dashboard_load.py [CKPT] [--clients 30] [--seconds 60]`.

Clients ask at once and without pause: texts, ablations, lenses, attention, written text, sweeps (some left half-way), and
requests that are malformed or too large. What must hold: no answer of 500 or above; 429 for sweeps only, with Retry-After;
every bad request answered by 400 to 499; memory that does not grow by more than `GROWTH` after a first quarter to warm up.
Prints a table of statuses and times; ends with 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from dashboard_server import Server, served

SHIPPED = Path(__file__).resolve().parents[1] / "trained_models" / "shakespeare_char_model"
GROWTH = 500
"""MB."""
TEXTS = (
    "ROMEO:\nWhat light through yonder",
    "First Citizen:\nBefore we proceed",
    "KING RICHARD III:\nNow is the winter",
)
PAIR = {"clean": "ROMEO:\nWhat light", "corrupt": "ROMEO:\nThat light", "answer": "s", "wrong": " "}


@dataclass(frozen=True)
class Request:
    """One kind of request."""

    kind: str
    address: str
    body: bytes | None = None
    left: bool = False
    """Whether the client leaves after the first bytes."""


@dataclass
class Seen:
    """What came back, over all clients."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def drawn(rng: random.Random) -> Request:
    """The next request of a client."""
    text = urlencode({"text": rng.choice(TEXTS) + rng.choice("abcdefgh ") * rng.randrange(8)})
    good = [
        Request("text", f"text?{text}"),
        Request("ablation", f"text?{text}&off=L0H{rng.randrange(2)}"),
        Request("lens", f"lens?{text}"),
        Request("attention", f"attention?{text}"),
        Request("written", f"sample?{text}&length=8"),
        Request("sweep", "patch", json.dumps(PAIR | {"sweep": "heads"}).encode()),
        Request("sweep left half-way", "patch", json.dumps(PAIR | {"sweep": "residual"}).encode(), left=True),
    ]
    bad = [
        Request("bad", "text?text="),
        Request("bad", f"text?text={quote('x' * 5000)}"),
        Request("bad", f"text?{text}&off=L99H0"),
        Request("bad", "patch", b"{" * 50),
        Request("bad", "patch", b" " * 300_000),
        Request("bad", "circuit/run", json.dumps(PAIR | {"edges": ["x"] * 6000}).encode()),
    ]
    return rng.choice(bad) if rng.random() < 0.15 else rng.choice(good)


def asked(server: Server, one: Request) -> tuple[int, str | None]:
    """Status and Retry-After of an answer, read to its end unless the client leaves."""
    home = urlsplit(server.address)
    connection = http.client.HTTPConnection(home.netloc, timeout=60)
    address = f"/api/{one.address}{'&' if '?' in one.address else '?'}{home.query}"
    try:
        headers = {"Content-Type": "application/json"} if one.body is not None else {}
        connection.request("GET" if one.body is None else "POST", address, one.body, headers)
        answer = connection.getresponse()
        answer.read(10 if one.left else None)
        return answer.status, answer.getheader("Retry-After")
    finally:
        connection.close()


def client(server: Server, seed: int, ends: float, seen: Seen) -> None:
    rng = random.Random(seed)
    while time.monotonic() < ends:
        one, began = drawn(rng), time.monotonic()
        try:
            status, again = asked(server, one)
        except (OSError, http.client.HTTPException) as error:
            with seen.lock:
                seen.wrong[f"{one.kind}: {type(error).__name__}"] += 1
            continue
        with seen.lock:
            seen.statuses[one.kind, status] += 1
            seen.seconds.setdefault((one.kind, status), []).append(time.monotonic() - began)
            for words in judged(one, status, again):
                seen.wrong[words] += 1


def judged(one: Request, status: int, again: str | None) -> list[str]:
    """What is wrong with an answer."""
    found = []
    if status >= 500:
        found.append(f"{one.kind}: {status}")
    if status == 429 and (not one.kind.startswith("sweep") or again is None):
        found.append(f"{one.kind}: 429 without reason or Retry-After")
    if (one.kind == "bad") != (400 <= status < 500 and status != 429):
        found.append(f"{one.kind}: answered by {status}")
    return found


def loaded(server: Server, clients: int, seconds: float) -> tuple[Seen, list[float]]:
    """What came back, and the server's memory each second."""
    seen, ends = Seen(), time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(server, n, ends, seen)) for n in range(clients)]
    for one in threads:
        one.start()
    memory = []
    while time.monotonic() < ends:
        memory.append(server.memory)
        time.sleep(1)
    for one in threads:
        one.join()
    return seen, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    with served(given.checkpoint, given.threads) as server:
        seen, memory = loaded(server, given.clients, given.seconds)
    print("| request | status | answers | median | slowest tenth |\n| --- | --- | --- | --- | --- |")
    for (kind, status), count in sorted(seen.statuses.items()):
        times = sorted(seen.seconds[kind, status])
        print(
            f"| {kind} | {status} | {count} | {times[len(times) // 2]:.2f} s | {times[int(0.9 * len(times))]:.2f} s |"
        )
    warm = memory[len(memory) // 4 :] or memory
    growth = max(warm) - warm[0]
    print(f"\n{sum(seen.statuses.values())} answers; memory {warm[0]:.0f} MB, at most {max(warm):.0f} MB")
    if growth > GROWTH:
        seen.wrong[f"memory grew by {growth:.0f} MB"] += 1
    for words, count in seen.wrong.items():
        print(f"wrong: {words} ({count} times)")
    raise SystemExit(bool(seen.wrong))


if __name__ == "__main__":
    main()
