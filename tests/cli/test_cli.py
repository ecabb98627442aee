import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.cli import console
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary

NANOSCOPE = str(Path(sys.executable).with_name("nanoscope"))
WORDS = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n"
TINY = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "32", "--device", "cpu", "--threads", "1"]
SHORT, LONG = ["--iterations", "4"], ["--iterations", "500"]
HEAVY = ("torch", "numpy", "matplotlib", "xarray", "scipy", "safetensors")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(WORDS * 60)
    return path


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was made from the shell."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    done = subprocess.run(train(text, folder), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def train(text: Path, folder: Path, length: list[str] = SHORT, *more: str) -> list[str]:
    return [NANOSCOPE, "train", "--data", str(text), "--out", str(folder), *length, *TINY, *more]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder, with its bytes and its time of writing; but not the lock, which each run opens."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def assert_one_line(answer: tuple[int, str, str]) -> str:
    code, _, complaint = answer
    assert code == 2
    assert complaint.startswith("nanoscope: ")
    assert complaint.endswith("\n")
    assert complaint.count("\n") == 1
    return complaint


# ---- starting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("import nanoscope", ""),
        ("import nanoscope.cli", ""),
        ("from nanoscope.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass", "study"),
        ("from nanoscope.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass", "--block-size"),
        ("from nanoscope.cli import main; main(['--version'])", "nanoscope "),
    ],
)
def test_nothing_heavy_is_loaded_to_say_what_there_is(code: str, shown: str):
    code = f"import sys\n{code}\nprint('loaded:', *({set(HEAVY)} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert shown in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_names_of_the_package_load_torch_when_they_are_used():
    """So that the test above can fail."""
    code = "import sys, nanoscope\nnanoscope.GPT\nprint('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_the_command_that_a_result_records_can_be_pasted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/nanoscope", "run", "heads", "final", "--label", "my model"])
    assert console.called() == "nanoscope run heads final --label 'my model'"


# ---- bad input -----------------------------------------------------------------------------------------------------


def test_bad_input_from_a_real_shell_is_one_line_and_code_2(tmp_path: Path):
    (tmp_path / "ckpt.pt").write_bytes(b"no checkpoint")
    done = subprocess.run([NANOSCOPE, "check", "ckpt.pt"], cwd=tmp_path, capture_output=True, text=True, check=False)
    line = "nanoscope: ckpt.pt is a text file and not a checkpoint; give the file with the weights\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


@pytest.mark.parametrize("command", [("check",), ("export",), ("run", "induction")])
@pytest.mark.parametrize("bad", ["missing", "random bytes", "cut short", "an empty folder", "a\nb"])
def test_a_bad_checkpoint_is_one_line(call: Call, tmp_path: Path, trained: Path, command: tuple[str, ...], bad: str):
    path = tmp_path / "checkpoint"
    if bad == "random bytes":
        path.write_bytes(bytes(range(256)))
    elif bad == "cut short":
        save(load(trained / "final"), path)
        os.truncate(path / "model.safetensors", 100)
    elif bad == "an empty folder":
        path.mkdir()
    elif bad == "a\nb":
        path = tmp_path / bad
    more = [tmp_path / "out.pt"] if command == ("export",) else []
    line = assert_one_line(call(*command, path, *more))
    assert " ".join(str(path).splitlines()) in line
    assert not (tmp_path / "out.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nonsense", "x"], "there is no experiment 'nonsense'; there are induction, snapshot, emergence"),
        (["report", "{tmp}"], "{tmp} "),
        (["report", "{tmp}/missing"], "there is no folder {tmp}/missing"),
        (
            ["export", "{trained}/final", "{text}/below/ckpt.pt"],
            "could not write {text}/below/ckpt.pt: Not a directory",
        ),
        (["export", "{trained}/final", "{tmp}"], "could not write {tmp}: Is a directory"),
        (["train", "--data", "{tmp}/missing"], "cannot read {tmp}/missing: No such file"),
        (["train", "--data", "{tmp}"], "cannot read {tmp}: Is a directory"),
        (["train", "--data", "{text}", "--out", "{text}", *TINY], "could not write {text}: "),
        (
            ["train", "--data", "{text}", "--n-embd", "16", "--n-head", "3"],
            "n_embd (16) must be a multiple of n_head (3)",
        ),
        (["train", "--data", "{text}", "--n-layer", "0"], "n_layer must be at least 1, not 0"),
        (["train", "--data", "{text}", "--iterations", "0"], "iterations must be at least 1, not 0"),
        (["train", "--data", "{text}", "--dropout", "1"], "dropout must lie in [0, 1), not 1.0"),
        (["train", "--data", "{text}", "--learning-rate", "nan"], "learning rates must"),
        (["train", "--data", "{text}", "--threads", "-1"], "threads must be 0 (all cores) or more"),
        (
            ["train", "--data", "{text}", "--out", "{tmp}/new", *TINY, "--block-size", "9999"],
            "the text has 3672 tokens",
        ),
        (["study", "--data", "{text}", "--workers", "-1"], "workers must be 0 (automatic) or more"),
    ],
)
def test_bad_input_is_one_line(call: Call, tmp_path: Path, text: Path, trained: Path, arguments: list[str], said: str):
    names = {"tmp": tmp_path, "text": text, "trained": trained}
    line = assert_one_line(call(*(argument.format(**names) for argument in arguments)))
    assert line.startswith("nanoscope: " + said.format(**names))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_line(call: Call, text: Path):
    assert "there is no device cuda" in assert_one_line(call("train", "--data", text, "--device", "cuda"))


@pytest.mark.parametrize(
    "arguments", [["train", "nonsense"], ["study", "nonsense"], ["train", "--nonsense", "3"], ["nonsense"]]
)
def test_usage_errors_end_with_code_2_and_name_what_was_wrong(call: Call, arguments: list[str]):
    code, printed, complaint = call(*arguments)
    assert (code, printed) == (2, "")
    assert "nonsense" in complaint


def test_a_text_of_other_characters_is_one_line(call: Call, tmp_path: Path, trained: Path):
    (tmp_path / "other.txt").write_text(WORDS * 30 + "Ünknown")
    arguments = ["--data", tmp_path / "other.txt", "--out", tmp_path / "out", "--threads", "1"]
    line = assert_one_line(call("run", "induction", trained / "final", *arguments))
    assert "character 'Ü' (U+00DC)" in line
    assert not (tmp_path / "out" / "results").exists()


def test_a_model_that_nanogpt_cannot_express_is_not_exported(call: Call, tmp_path: Path):
    model = GPT(GPTConfig(1, 1, 4, 8, 3, attention_only=True))
    save(Checkpoint(model, Vocabulary(("a", "b", "c"))), tmp_path / "ours")
    line = assert_one_line(call("export", tmp_path / "ours", tmp_path / "ckpt.pt"))
    assert "nanoGPT has no attention_only=True" in line
    assert not (tmp_path / "ckpt.pt").exists()


# ---- training ------------------------------------------------------------------------------------------------------


def test_a_trained_checkpoint_passes_its_checks_and_is_exported_bit_for_bit(call: Call, tmp_path: Path, trained: Path):
    code, table, complaint = call("check", trained / "final")
    assert (code, complaint) == (0, "")
    assert table.count("holds") == 9
    path = tmp_path / "[a name] with [/markup], longer than a line of eighty characters" / "ckpt.pt"
    code, printed, complaint = call("export", trained / "final", path)
    assert (code, complaint) == (0, "")
    written = [f"writing {path}", f"wrote {path}", f"wrote {path.with_name('meta.pkl')}"]
    assert printed.splitlines()[:3] == written
    assert "train.py cannot resume from it" in printed
    ours, theirs = load(trained / "final"), load(path)
    assert ours.vocabulary == theirs.vocabulary == Vocabulary.of(WORDS)
    assert all(torch.equal(value, theirs.model.state_dict()[name]) for name, value in ours.model.state_dict().items())


def test_a_run_keeps_what_it_was_told_and_what_it_measured(trained: Path):
    assert sorted(path.name for path in (trained / "checkpoints").iterdir()) == [
        f"step_{step:08d}" for step in (0, 1, 2, 4)
    ]
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 4]
    final = load(trained / "final")
    assert (final.corpus, final.training["step"], final.training["seed"]) == ("words", 4, 1)
    last = load(trained / "checkpoints" / "step_00000004").model.state_dict()
    assert all(torch.equal(value, last[name]) for name, value in final.model.state_dict().items())
    first = load(trained / "checkpoints" / "step_00000000").model
    assert not torch.equal(first.wte.weight, final.model.wte.weight)


def test_the_same_command_again_changes_nothing(call: Call, text: Path, trained: Path):
    before = contents(trained)
    code, printed, complaint = call(*train(text, trained)[1:])
    assert (code, complaint) == (0, "")
    assert "validation loss" in printed
    assert contents(trained) == before


@pytest.mark.parametrize("change", ["--seed=2", "--iterations=5", "--learning-rate=0.01", "--data"])
def test_a_folder_of_another_recipe_is_refused_and_left_alone(
    call: Call, tmp_path: Path, text: Path, trained: Path, change: str
):
    before = contents(trained)
    other = tmp_path / "other.txt"
    other.write_text(WORDS * 61)
    more = [change, str(other)] if change == "--data" else change.split("=")
    line = assert_one_line(call(*train(text, trained)[1:], *more))
    assert "holds a run with other settings" in line
    assert contents(trained) == before


@pytest.fixture(scope="module")
def undisturbed(text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All checkpoints of a longer run."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run(train(text, folder, LONG), capture_output=True, check=True)
    return checkpoints(folder)


def checkpoints(folder: Path) -> dict[str, bytes]:
    names = ("checkpoints/", "final/")
    return {name: content for name, (content, _) in contents(folder).items() if name.startswith(names)}


def start(text: Path, folder: Path) -> subprocess.Popen[str]:
    """A longer run that has done some of its iterations."""
    command, metrics = train(text, folder, LONG), folder / "metrics.jsonl"
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 20):
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    return running


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_finishes(
    call: Call, tmp_path: Path, text: Path, undisturbed: dict[str, bytes]
):
    with start(text, tmp_path / "run") as first:
        line = assert_one_line(call(*train(text, tmp_path / "run", LONG)[1:]))
        assert first.poll() is None
        _, complaint = first.communicate()
    assert f"another run is writing {tmp_path / 'run'}" in line
    assert (first.returncode, complaint) == (0, "")
    assert checkpoints(tmp_path / "run") == undisturbed


@pytest.mark.parametrize(
    ("by", "code", "complaint"),
    [
        (
            signal.SIGINT,
            130,
            r"nanoscope: interrupted; (\d+) of 500 iterations are kept, and the same command goes on from there\n",
        ),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_run_that_was_stopped_is_finished_by_the_same_command(
    call: Call, tmp_path: Path, text: Path, undisturbed: dict[str, bytes], by: signal.Signals, code: int, complaint: str
):
    with start(text, tmp_path / "run") as stopped:
        stopped.send_signal(by)
        _, said = stopped.communicate()
    told = re.fullmatch(complaint, said)
    assert told
    assert stopped.returncode == code
    assert not (tmp_path / "run" / "final").exists()
    saved = [path.name for path in (tmp_path / "run").glob("resume_*")]
    assert saved == [f"resume_{int(step):08d}" for step in told.groups()]
    again, _, said = call(*train(text, tmp_path / "run", LONG)[1:])
    assert (again, said) == (0, "")
    assert checkpoints(tmp_path / "run") == undisturbed
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(501))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "x"], "nothing was written"),
        (["report", "x"], "the results are untouched; the same command writes the report anew"),
        (
            ["study"],
            "finished stages are kept, a training as it was last saved (every 30 s), and the same command goes on",
        ),
    ],
)
def test_an_interrupted_command_says_what_is_kept(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
):
    def stop(command: object) -> None:
        raise KeyboardInterrupt

    known = {name: replace(command, run=stop) for name, command in cli.COMMANDS.items()}
    monkeypatch.setattr(cli, "COMMANDS", known)
    code, printed, complaint = call(*arguments)
    assert (code, printed, complaint.count("\n")) == (130, "", 1)
    assert complaint.startswith(f"nanoscope: interrupted; {said}")


def test_an_interrupted_experiment_says_which_stages_are_kept_and_goes_on(
    call: Call, tmp_path: Path, text: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
):
    """Interrupted twice, the second time one stage later: what is kept is not measured again."""
    from nanoscope.experiments import runner
    from nanoscope.experiments.induction import measure

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "source_digest", lambda name: "code")  # takes a second
    monkeypatch.setattr(measure, "_random_models", stop)
    few = ["--sequences", 2, "--natural-examples", 2, "--windows", 4, "--permutations", 9]
    given = ["run", "induction", trained / "final", "--data", text, "--out", tmp_path / "out", "--threads", 1, *few]
    kept = "stages are kept, and the same command goes on with the next"
    code, printed, complaint = call(*given)
    assert (code, complaint) == (130, f"nanoscope: interrupted; 2 of 8 {kept} (untrained models)\n")
    assert printed.startswith("induction: checking the model\ninduction: attention\ninduction: behaviour (27 % done")
    monkeypatch.setattr(measure, "_random_models", lambda setting: {})
    monkeypatch.setattr(measure, "_weights", stop)
    monkeypatch.setattr(measure, "_attention", stop)
    assert call(*given)[::2] == (130, f"nanoscope: interrupted; 3 of 8 {kept} (weights)\n")


# ---- patching two texts of one's own ----------------------------------------------------------------------------------


def patched(call: Call, trained: Path, tmp_path: Path, *options: object) -> tuple[int, str, str]:
    pair = ("the quick brown fox", "the quick brown dog")
    return call("patch", trained / "final", *pair, "--threads", 1, "--out", tmp_path / "p.png", *options)


@pytest.mark.parametrize(
    ("sweep", "rows"),
    [
        ("residual", "pos"),
        ("heads-by-position", "head"),
        ("mlps", "layer"),
        ("neurons --layer 0", "neuron"),
        ("pattern --layer 0 --head 1", "query"),
        ("keys", "head"),
    ],
)
def test_patching_shows_a_table_a_plan_and_a_figure(
    call: Call, trained: Path, tmp_path: Path, sweep: str, rows: str
) -> None:
    code, printed, complaint = patched(call, trained, tmp_path, "--sweep", *sweep.split())
    assert (code, complaint) == (0, "")
    compared = "'x' against 'g', predicted from position 17"
    for words in (rows, "GFLOP needed", "cpu float32", "clean", "figure: ", compared):
        assert words in printed
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_screened_patching_says_what_is_exact(call: Call, trained: Path, tmp_path: Path) -> None:
    _, printed, _ = patched(call, trained, tmp_path, "--sweep", "residual", "--method", "screened", "--share", 0.3)
    assert "estimated" in printed
    assert "exact" in printed
    assert "rank correlation" in printed
    _, printed, _ = patched(call, trained, tmp_path, "--method", "attribution")
    assert "none of them exact" in printed


def test_a_plan_alone_runs_nothing(call: Call, trained: Path, tmp_path: Path) -> None:
    code, printed, _ = patched(call, trained, tmp_path, "--plan", "--sweep", "heads-by-position")
    assert code == 0
    assert "cells of 1 examples" in printed
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize("method", ["exact", "screened"])
def test_patching_is_verified_by_full_forwards(
    call: Call, trained: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = ("--share", 0.5) if method == "screened" else ()
    options = ("--method", method, *share, "--verify", 2)
    assert patched(call, trained, tmp_path, *options)[0] == 0
    monkeypatch.setattr("nanoscope.interventions.replay.replay_rows", lambda *_: None)
    assert "differs from a full forward" in assert_one_line(patched(call, trained, tmp_path, *options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sweep", "neurons"], "give --layer"),
        (["--sweep", "pattern", "--layer", 0, "--head", 9], "there is no head 9"),
        (["--budget", 0.0001], "raise the budget"),
        (["--share", 2, "--method", "screened"], r"must lie in (0, 1]"),
        (["--precision", "tf32", "--device", "cpu"], "tf32 exists on GPUs only"),
        (["--answer", "a", "--wrong", "a"], "both 'a'"),
        (["--device", "cuda"], "no device cuda"),
        (["--method", "attribution", "--verify", 2], "estimates cannot be verified"),
        (["--method", "attribution", "--budget", 2], "--budget limits exact patching"),
        (["--budget", -1], "must be a number of MiB above 0"),
        (["--budget", "nan"], "must be a number of MiB above 0"),
        (["--verify", -1], "must be 0 or more"),
        (["--answer", "a"], "--answer and --wrong go together"),
        (["--wrong", "a"], "--answer and --wrong go together"),
        (["--share", 0.1], "--share is for --method screened"),
        (["--head", 9], "the sweep heads covers every head; leave out --head, or give --sweep pattern"),
        (["--layer", 99], "leave out --layer, or give --sweep neurons or pattern"),
        (["--sweep", "neurons", "--layer", 0, "--head", 0], "the sweep neurons covers every head"),
        (["--sweep", "neurons", "--layer", -1], "there is no layer -1"),
        (["--plan", "--csv", "cells.csv"], "--plan measures nothing"),
        (["--plan", "--method", "screened"], "the cost of the exact sweep"),
        (["--csv", "cells", "--json", "cells"], "name the same file"),
        (["--out", "picture.jpg"], "figures are written as .png, .svg or .pdf, not 'picture.jpg'"),
        (["--out", "picture"], "figures are written as .png, .svg or .pdf, not 'picture'"),
    ],
)
def test_patching_that_cannot_be_meant(
    call: Call, trained: Path, tmp_path: Path, options: list[object], words: str
) -> None:
    if torch.cuda.is_available() and "cuda" in options:
        pytest.skip("there is one")
    answer = patched(call, trained, tmp_path, *options)
    assert words in assert_one_line(answer)
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize("how", ["--method exact", "--method attribution", "--method screened", "--plan"])
def test_texts_that_differ_in_the_answers_alone_are_refused_alike(
    call: Call, trained: Path, tmp_path: Path, how: str
) -> None:
    options = ["--sweep", "residual", "--threads", 1, "--out", tmp_path / "p.png", *how.split()]
    line = assert_one_line(call("patch", trained / "final", "the fox", "the fog", *options))
    assert "both texts are the same up to the two symbols compared" in line
    assert not (tmp_path / "p.png").exists()


def test_every_cell_is_kept_as_csv_and_json(call: Call, trained: Path, tmp_path: Path) -> None:
    """The same numbers in both, one row a cell; where there are no shares, none."""
    files = [tmp_path / "cells.csv", tmp_path / "cells.json"]
    code, printed, _ = patched(
        call,
        trained,
        tmp_path,
        "--sweep",
        "residual",
        "--csv",
        files[0],
        "--json",
        files[1],
        "--answer",
        "x",
        "--wrong",
        "q",
    )
    assert code == 0
    with files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = json.loads(files[1].read_text())
    assert (kept["answer"], kept["wrong"], kept["position"]) == ("x", "q", 18)
    assert ("".join(kept["clean"]), "".join(kept["corrupt"])) == ("the quick brown fox", "the quick brown dog")
    cells = kept["cells"]
    assert len(rows) == len(cells) == 2 * 3
    assert {row["layer"] for row in rows} == {"into L0", "output"}
    assert [(row["pos"], row["pos_clean"], row["pos_corrupt"]) for row in rows[:3]] == [
        ("16", "f", "d"), ("17", "o", "o"), ("18", "x", "g"),
    ]  # fmt: skip
    difference = kept["clean_logit_difference"] - kept["corrupt_logit_difference"]
    for row, cell in zip(rows, cells, strict=True):
        assert float(row["restored_logits"]) == cell["restored_logits"]
        if kept["why_no_shares"] is None:
            assert cell["restored"] == pytest.approx(cell["restored_logits"] / difference)
        else:
            assert (row["restored"], cell["restored"]) == ("", None)
            assert "no shares, only logits: " in printed
            assert "%" not in printed.split("logits: ")[1].split("┏")[1]
    assert cells[-1]["restored_logits"] == pytest.approx(difference, abs=1e-6), "the last output is the whole model"


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")])
def test_a_figure_has_the_format_of_its_name(
    call: Call, trained: Path, tmp_path: Path, suffix: str, begins: bytes
) -> None:
    figure = tmp_path / f"lens{suffix}"
    written = []
    for _ in range(2):
        assert call("lens", trained / "final", "--text", "a", "--threads", 1, "--out", figure)[0] == 0
        written.append(figure.read_bytes())
    assert written[0].startswith(begins)
    assert written[0] == written[1]


@pytest.mark.parametrize("command", ["lens", "heads", "neurons"])
def test_other_formats_are_refused_before_anything_is_read(call: Call, tmp_path: Path, command: str) -> None:
    line = assert_one_line(call(command, tmp_path / "no checkpoint", "--out", tmp_path / "figure.jpg"))
    assert "figures are written as .png, .svg or .pdf" in line


def test_pictures_of_two_texts_stand_side_by_side(
    call: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("the dog", "the fox", "the dog"):
        assert call("lens", trained / "final", "--text", text, "--threads", 1)[0] == 0
    names = sorted(path.name for path in Path("runs/mine").iterdir())
    assert [name[:12] for name in names] == ["lens-the-dog", "lens-the-fox"]


def test_texts_that_cannot_be_compared(call: Call, trained: Path) -> None:
    final = trained / "final"
    assert "same number of tokens" in assert_one_line(call("patch", final, "the fox", "the dogs"))
    assert "€" in assert_one_line(call("patch", final, "the fo€", "the dog"))
    early, late = "a" * 40 + "the dog", "b" * 2 + "a" * 38 + "the dog"
    assert "differ only before the last 33 characters" in assert_one_line(call("patch", final, early, late))
    assert "no checkpoint" in assert_one_line(call("patch", final / "none", "ab", "ba"))


# ---- looking at heads and predictions ----------------------------------------------------------------------------------


def rows_of(printed: str) -> list[list[str]]:
    """The cells of each row of a table that stands between a ruled heading and an empty line; every cell in one line."""
    table = re.search(r"^ ─+ *\n(.*?)^ *$", printed, re.MULTILINE | re.DOTALL)
    assert table, printed
    return [re.split(r"\s{2,}", line.strip()) for line in table[1].splitlines()]


@pytest.mark.parametrize("kind", ["logit", "tuned"])
def test_the_lens_reads_along_a_text(call: Call, text: Path, trained: Path, tmp_path: Path, kind: str) -> None:
    options = ["--lens", kind, "--data", text, "--threads", 1, "--out", tmp_path / "l.png"]
    code, printed, complaint = call("lens", trained / "final", "--text", "the dog", *options)
    assert (code, complaint) == (0, "")
    assert [row[0] for row in rows_of(printed)] == ["t", "h", "e", "␣", "d", "o", "g"]
    assert (tmp_path / "l.png").stat().st_size > 5000
    assert bool(re.search(r"tuned lens, \d+ steps: KL to the output", " ".join(printed.split()))) == (kind == "tuned")


def test_every_head_has_a_row_and_a_second_call_reads_the_result(
    call: Call, text: Path, trained: Path, tmp_path: Path
) -> None:
    arguments = ["heads", trained / "final", "--data", text, "--threads", 1, "--out", tmp_path / "h.png"]
    code, printed, complaint = call(*arguments, "--text", "the quick brown fox")
    assert (code, complaint) == (0, "")
    rows = rows_of(printed)
    assert [row[0] for row in rows] == ["L0H0", "L0H1"]
    assert all(row[1] for row in rows), "without a colour too, a head without a class is told from one with a class"
    shares = [[float(cell.split()[-1]) for cell in row[2:4]] for row in rows]
    assert all(first >= second for first, second in shares)
    (result,) = (tmp_path / "results").iterdir()
    drawn, written = (tmp_path / "h.png").read_bytes(), (result / "result.json").stat().st_mtime_ns
    call(*arguments)
    assert (result / "result.json").stat().st_mtime_ns == written
    assert (tmp_path / "h.png").read_bytes() != drawn  # the corpus's own passage, not the user's text


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("lens", ["--text", ""], "the text is empty"),
        ("lens", ["--text", "the Dog"], "character 'D'"),
        ("heads", ["--text", "t"], "must have at least two tokens"),
        ("heads", ["--threads", "-1"], "threads must be 0"),
    ],
)
def test_texts_that_cannot_be_looked_at(
    call: Call, text: Path, trained: Path, tmp_path: Path, command: str, given: list[str], said: str
) -> None:
    answer = call(command, trained / "final", "--data", text, "--out", tmp_path / "x.png", *given)
    assert said in assert_one_line(answer)
    assert not list(tmp_path.iterdir())


def test_a_text_without_concepts_still_shows_which_neurons_fire(call: Call, tmp_path: Path) -> None:
    words = tuple(f"w{number}x" for number in range(30))
    torch.manual_seed(0)
    model = GPT(GPTConfig(1, 1, 8, 16, len(words))).eval()
    save(Checkpoint(model, Vocabulary(words), "words"), tmp_path / "model")
    lines = [" ".join(words[int(n)] for n in torch.randint(30, (10,))) for _ in range(600)]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    given = ["--data", tmp_path / "text.txt", "--threads", 1, "--out", tmp_path / "n.png"]
    code, printed, _ = call("neurons", tmp_path / "model", *given, "--text", lines[0])
    assert code == 0
    assert "no concept occurs often enough" in printed
    assert "fires (marked" in printed
    assert (tmp_path / "n-text.png").exists()
