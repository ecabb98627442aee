"""`nanoscope circuit`: what is printed, drawn and kept is what the library measures; what cannot be meant is one line."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.interventions.edges.graph import Edge, graph_of
from nanoscope.tasks.task import pair
from nanoscope.text.vocabulary import Vocabulary

Call = Callable[..., tuple[int, str, str]]
TEXTS = ("xabcdxabc", "xefghxabc")
ANSWERS = ("--answer", "d", "--wrong", "h")
PLANTED = {"embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits"}


@pytest.fixture(scope="module")
def path(gentle_planted: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("planted") / "planted"
    save(gentle_planted, where)
    return where


def circuit(call: Call, path: Path, folder: Path, *options: object) -> tuple[int, str, str]:
    return call("circuit", path, *TEXTS, *ANSWERS, "--threads", 1, "--out", folder / "c.png", *options)


def printed_edges(printed: str) -> dict[str, tuple[float, float]]:
    """Effect and share of each edge of the table."""
    found = re.findall(r"^\s*(\S+->\S+)\s+([+-][\d.]+)\s+(-?[\d.]+) %", printed, re.MULTILINE)
    return {name: (float(effect), float(share) / 100) for name, effect, share in found}


def test_the_planted_circuit_is_printed_drawn_and_kept(
    call: Call, path: Path, tmp_path: Path, gentle_planted: Checkpoint
) -> None:
    files = {name: tmp_path / f"c.{name}" for name in ("csv", "json", "circuit")}
    options = ("--csv", files["csv"], "--json", files["json"], "--save", files["circuit"])
    code, printed, complaint = circuit(call, path, tmp_path, *options)
    assert (code, complaint) == (0, "")
    exact = exact_scores(gentle_planted.model, pair(gentle_planted.known_vocabulary, *TEXTS, "d", "h"))
    shown = printed_edges(printed)
    assert shown.keys() == PLANTED
    for name, (effect, share) in shown.items():
        assert effect == pytest.approx(exact.of(name)[0], abs=6e-4)
        assert share == pytest.approx(exact.of(name)[0] / exact.change, abs=6e-4)
    for words in ("4 edges: the smallest size that keeps 90 %", "'d' against 'h', predicted from position 9"):
        assert words in printed
    assert re.search(r"^ +4 +4 +1\.000", printed, re.MULTILINE)
    assert re.search(r"cost: .* plain forwards", printed)
    assert "One example shows what this text does" in printed

    for suffix, begin in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".mmd", b"flowchart BT")):
        assert (tmp_path / "c.png").with_suffix(suffix).read_bytes().startswith(begin)
    drawn = re.findall(r'<g id="(\S+-&gt;\S+)">', (tmp_path / "c.svg").read_text())
    assert {name.replace("&gt;", ">") for name in drawn} == PLANTED

    rows, kept = list(csv.DictReader(files["csv"].read_text().splitlines())), json.loads(files["json"].read_text())
    assert {f"{row['source']}->{row['read']}": float(row["effect"]) for row in rows} == {
        f"{row['source']}->{row['read']}": row["effect"] for row in kept["edges"]
    }
    assert {f"{row['source']}->{row['read']}" for row in kept["edges"] if row["in_circuit"]} == PLANTED
    effects = {f"{row['source']}->{row['read']}": row["effect"] for row in kept["edges"]}
    assert all(effects[name] == pytest.approx(shown[name][0], abs=6e-4) for name in shown)
    assert (kept["clean"], kept["corrupt"], kept["task"], kept["examples"]) == (*TEXTS, None, 1)
    assert (kept["edges_asked"], kept["edges_connected"], kept["edges_of_the_model"]) == (4, 4, 46)

    again, reprinted, complaint = circuit(call, path, tmp_path, "--circuit", files["circuit"])
    assert (again, complaint) == (0, "")
    assert printed_edges(reprinted) == shown
    assert re.search(r"^ +4 +4 +1\.000", reprinted, re.MULTILINE)


def test_a_task_is_found_on_one_part_of_a_text_and_judged_on_the_other(call: Call, path: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "letters.txt").write_text("".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 30_000)))
    options = ("--task", "induction", "--examples", 2, "--data", tmp_path / "letters.txt", "--edges", 4)
    code, printed, complaint = call(
        "circuit", path, *options, "--threads", 1, "--out", tmp_path / "t.svg", "--method", "eap-ig"
    )
    assert (code, complaint) == (0, "")
    said = " ".join(printed.split())
    assert "induction: the next symbol of a random sequence that stood there before; 2 examples" in said
    assert "on as many examples of the validation text" in said
    assert "One example shows" not in printed
    assert len(printed_edges(printed)) == 4
    assert "estimate" in printed
    assert (tmp_path / "t.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["abc", "abd"], "differs"),
        (["abc", "abcd"], "must have the same number of tokens, not 3 and 4"),
        (["abc"], "give two texts, CLEAN and CORRUPT, or --task NAME"),
        ([], "give two texts, CLEAN and CORRUPT, or --task NAME"),
        ([*TEXTS, "--task", "induction"], "give two texts or --task, not both"),
        (["--task", "nonsense"], "there is no task 'nonsense'; the tasks are induction, distance-1"),
        ([*TEXTS, "--answer", "d"], "--answer and --wrong go together"),
        (["--task", "induction", *ANSWERS], "--answer and --wrong are for two texts"),
        ([*TEXTS, "--examples", 3], "--examples and --data are for --task"),
        (["--task", "induction", "--examples", 0], "--examples must be at least 1, not 0"),
        ([*TEXTS, "--method", "acdc", "--edges", 3], "acdc finds the number of edges itself"),
        ([*TEXTS, "--threshold", 0.1], "--threshold is for --method acdc alone"),
        ([*TEXTS, "--method", "learned", "--ablation", "zero"], "--method learned looks for the circuit with resample"),
        ([*TEXTS, "--ablation", "mean"], "the mean of one text is that text"),
        ([*TEXTS, "--circuit", "c", "--edges", 3], "--circuit judges the circuit of a file"),
        ([*TEXTS, "--circuit", "missing"], "cannot read missing: No such file"),
        ([*TEXTS, "--csv", "a", "--save", "a"], "name the same file"),
        ([*TEXTS, *ANSWERS, "--edges", 47], "--edges must be 1 to 46, the edges of this model, not 47"),
        ([*TEXTS, "--out", "c.jpg"], "figures are written as .png, .svg or .pdf, not 'c.jpg'"),
    ],
)
def test_a_circuit_that_cannot_be_meant(
    call: Call, path: Path, tmp_path: Path, options: list[object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, complaint = call("circuit", path, *options, "--threads", 1)
    assert (code, complaint.count("\n")) == (2, 1)
    assert complaint.startswith("nanoscope: ")
    assert words in complaint
    assert not list(tmp_path.iterdir())


def test_models_and_files_without_a_circuit_are_one_line(call: Call, path: Path, tmp_path: Path) -> None:
    model = random_model(norm_position="post", final_norm=False)
    save(Checkpoint(model, Vocabulary(tuple("abcdefghijklm"))), tmp_path / "post")
    code, _, complaint = call("circuit", tmp_path / "post", "abcd", "abdc", "--threads", 1)
    assert (code, "norms come after additions" in complaint, complaint.count("\n")) == (2, True, 1)
    (tmp_path / "no circuit").write_text("{}")
    _, _, complaint = circuit(call, path, tmp_path, "--circuit", tmp_path / "no circuit")
    assert "this is no circuit" in complaint
    other = graph_of(random_model().config)
    (tmp_path / "other").write_text(Circuit.of(other, [Edge("embed", "logits")]).to_json())
    _, _, complaint = circuit(call, path, tmp_path, "--circuit", tmp_path / "other")
    assert "of a model with other layers or heads" in complaint
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is no circuit" in circuit(call, path, tmp_path, "--circuit", tmp_path / "binary")[2]
    assert not (tmp_path / "c.png").exists()
    if not torch.cuda.is_available():
        assert "no device cuda" in circuit(call, path, tmp_path, "--device", "cuda")[2]
