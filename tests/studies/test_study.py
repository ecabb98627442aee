"""Studies: a graph of stages that any engine runs to the same findings, and that survives whatever is killed."""

import io
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

TOYS = Path(__file__).parent.parent / "toys"
sys.path.append(str(TOYS))

import toy_study

from nanoscope import experiments, files, report
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.wording import number
from nanoscope.statistics.intervals import seed_interval
from nanoscope.studies import engines, plan, progress, stages
from nanoscope.studies import run as study
from nanoscope.studies.presets import STUDIES, ComparisonPlan
from nanoscope.studies.progress import StudyProgress
from nanoscope.studies.run import run_study
from nanoscope.text.corpora import Corpus

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
EXAMPLES = dict(re.findall(r"<!-- tested: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
PATIENCE = 120.0
COMMAND = "nanoscope study toy"


@pytest.fixture(scope="module", autouse=True)
def toys(shakespeare: Corpus) -> Iterator[Corpus]:
    """The toys' experiments, and an excerpt to measure them on. Other processes find the toys by PYTHONPATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "__path__", [*experiments.__path__, str(toy_study.FOLDER)])
        patch.setattr(plan, "PER_CHECKPOINT", ("toy_snapshot",))
        patch.setattr(experiments, "EXPERIMENTS", (*experiments.EXPERIMENTS, *toy_study.NAMES))
        source = str(Path(study.__file__).parents[2])
        patch.setenv("PYTHONPATH", os.pathsep.join([source, str(TOYS), os.environ.get("PYTHONPATH", "")]))
        yield Corpus("excerpt", shakespeare.text[:30_000])


@pytest.fixture(scope="module")
def alone(toys: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy study, run once by one process and left alone: what all others must equal."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    told = []
    run_study(toy_study.study(), toys, folder, workers=1, progress=told.append, command=COMMAND)
    assert told[-1].done == told[-1].total == len(told[-1].ended) == 16
    assert all(line.seconds_left == 0 for line in told[-1].groups)
    assert {group.kind for status in told for group in status.groups if group.running} == set(plan.KINDS)
    return folder


def test_a_new_experiment_is_in_the_report_without_a_change_of_the_report(alone: Path, tmp_path: Path) -> None:
    """A folder and a name in the table: its section, its claims and its verdicts appear."""
    run = Path(shutil.copytree(alone, tmp_path / "run"))
    page = report.write(run).read_text()
    section = page.split("## Is a toy's loss small?")[1].split("\n## ")[0]
    assert "The loss at the end of a training, on a few windows." in section
    claims = json.loads((run / "findings.json").read_text())
    one, two = (next(c for c in claims if (c["id"], c["model"]) == ("toy_loss.value", f"toy {n}")) for n in (1, 2))
    (effect,) = [e for e in json.loads((run / "effects.json").read_text()) if e["recipe"] == "the toys"]
    values = np.array([one["value"], two["value"]])
    assert (effect["value"], effect["low"], effect["high"]) == (values.mean(), *seed_interval(values))
    assert f"| It is small | {number(effect['value'])} [{number(effect['low'])}, {number(effect['high'])}]" in section
    assert f"| {effect['verdict']} |" in section
    assert f"results/{one['result']}/result.json" in section
    reply = {"supported": "yes", "not supported": "no"}.get(effect["verdict"], "cannot tell")
    alike = sum(toy["verdict"] == effect["verdict"] for toy in (one, two))
    (row,) = [
        row for row in page.split("\n") if row.startswith(f"| Is it small? | **{reply}** | it is {one['value']:.2f}")
    ]
    assert row.endswith(f"; {alike} of 2 |")
    assert f"Toys {'learn' if reply == 'yes' else 'do not learn'}." in section


def without(folder: Path, to: Path, *names: str) -> Path:
    """A copy of a study in which some stages have never been."""
    shutil.copytree(folder, to)
    for path in (to / "stages").glob("*.json"):
        text = path.read_text()
        if any(f'"{name}"' in text for name in names):
            shutil.rmtree(to / "results" / re.findall(r'"output": "(.*?)"', text)[0])
            path.unlink()
    return to


def same(one: Path, other: Path) -> bool:
    """Identical list of results, identical findings but for timings."""
    listed = (one / "study.json").read_bytes() == (other / "study.json").read_bytes()
    return listed and toy_study.findings(one) == toy_study.findings(other)


def test_every_result_tells_which_command_made_it_and_the_process_keeps_its_own(
    alone: Path, toys: Corpus, tmp_path: Path
):
    """An engine's process has arguments of its own; what is recorded is what was handed over, and nothing where nothing was."""
    stored = [json.loads(path.read_text()) for path in alone.rglob("result.json")]
    assert {result["provenance"]["command"] for result in stored} == {COMMAND}
    workspace, before = stages.keep_corpora(toys, {}, tmp_path), list(sys.argv)
    (stage,) = [stage for stage in plan.plan_study(toy_study.study()).stages if stage.name == "toy_loss of planted"]
    made = stages.perform(stage, workspace, {})
    assert isinstance(made, stages.Record)
    assert json.loads((workspace.results / made.output / "result.json").read_text())["provenance"]["command"] == ""
    assert sys.argv == before


# ---- the graph -----------------------------------------------------------------------------------------------------


def test_a_study_lists_what_its_report_reads_in_the_members_order(alone: Path):
    told = toy_study.findings(alone)
    assert [key.split("-")[0] for key in told] == [
        *("toy_curve", "toy_loss", "toy_curve", "toy_loss", "toy_loss", "toy_seeds"),
        *["toy_snapshot"] * 8,
    ]
    assert len({f["value"] for findings in told.values() for f in findings}) == len(told)


def test_every_stage_comes_after_what_it_needs():
    whole = plan.plan_study(toy_study.study())
    needs = {stage.name: set(stage.needs) for stage in whole.stages}
    at = [f"toy_snapshot of toy-1 at {step}" for step in (0, 4, 8, 12)]
    assert needs["toy_curve of toy-1"] == {"train toy-1", *at}
    assert needs["toy_seeds over both toys"] == {"toy_curve of toy-1", "toy_curve of toy-2"}
    assert needs["toy_loss of planted"] == set()
    assert set(whole.results) | set(whole.snapshots) == {n for n in needs if not n.startswith("train")}


def test_every_preset_can_be_planned():
    for preset in STUDIES.values():
        assert len({stage.name for stage in plan.plan_study(preset).stages}) >= 3


def test_a_key_follows_what_decides_the_output_and_nothing_else(toys: Corpus, tmp_path: Path):
    """Settings, recipe, text and what came before; not the folder, the label or the study's other members."""
    one = toy_study.study()
    workspace = stages.Workspace(tmp_path, toys.name, toys.sha256)

    def keys(study, workspace=workspace, model="a") -> list[str]:
        whole = plan.plan_study(study).stages
        return [stages.stage_key(stage, workspace, {name: name + model for name in stage.needs}) for stage in whole]

    assert len(set(keys(one))) == 16
    assert keys(one) == keys(one, replace(workspace, folder=tmp_path / "other"))
    assert not set(keys(one)) & set(keys(one, replace(workspace, corpus_sha256="other")))
    first = one.members[0]
    fewer = replace(one, members=(replace(first, label="another name"),), comparisons=())
    changed = set(keys(fewer)) - set(keys(one))
    assert {key.split("-")[0] for key in changed} == {"compare"}  # what is said of a group is part of its result
    differing = keys(toy_study.study(toy_study.Params(windows=7)))
    assert {key.split("-")[0] for key in set(keys(one)) & set(differing)} == {"train"}
    assert {key.split("-")[0] for key in set(keys(one)) & set(keys(one, model="b"))} == {"train", "analyse"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"members": ("toy-1", "toy-9")}, "the study toy has no member toy-9"),
        ({"members": ("planted",)}, "reads toy_curve, but none of them is in the study"),
    ],
)
def test_a_comparison_of_what_is_not_there_is_refused(changes: dict, complaint: str):
    compared = ComparisonPlan("toy_seeds", "both toys", ("toy-1",), toy_study.Params())
    with pytest.raises(NanoscopeError, match=complaint):
        plan.plan_study(replace(toy_study.study(), comparisons=(replace(compared, **changes),)))


# ---- going on ------------------------------------------------------------------------------------------------------


def no_engine(*_: object) -> None:
    raise AssertionError("a stage was to be run")


def test_the_second_run_does_nothing(alone: Path, toys: Corpus, monkeypatch: pytest.MonkeyPatch):
    before = {path: path.stat().st_mtime_ns for path in alone.rglob("*") if path.is_file() and path.name != ".lock"}
    monkeypatch.setattr(study, "open_executor", no_engine)
    run_study(toy_study.study(), toys, alone)
    assert before == {p: p.stat().st_mtime_ns for p in alone.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.filterwarnings("ignore")  # submitit leaves its log files open
def test_what_is_gone_is_made_again_and_only_that(alone: Path, toys: Corpus, tmp_path: Path, monkeypatch):
    """In this process, to see which; a comparison whose inputs come back the same is not made again."""
    folder = without(alone, tmp_path / "run", "toy_snapshot of toy-1 at 4", "toy_loss of toy-2")
    ended = run_here(toy_study.study(), toys, folder, monkeypatch)
    assert ended == ["toy_snapshot of toy-1 at 4", "toy_loss of toy-2"]
    assert same(folder, alone)
    shutil.rmtree(folder / "results" / next(iter(toy_study.findings(folder))))
    assert run_here(toy_study.study(), toys, folder, monkeypatch) == ["toy_curve of toy-1"]
    assert same(folder, alone)


def run_here(study_: object, corpus: Corpus, folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """Through submitit's debug executor, which runs a job where it is asked for its result."""
    told = []
    patch.setattr(study, "open_executor", lambda *_: engines.submitit_engine("debug", 1, folder / "jobs"))
    run_study(study_, corpus, folder, progress=told.append)
    return [record.name for record in told[-1].ended]


def test_another_text_is_refused(alone: Path, toys: Corpus):
    with pytest.raises(NanoscopeError, match="is not the text that this study began with"):
        run_study(toy_study.study(), Corpus(toys.name, toys.text + "\n"), alone)


@pytest.mark.filterwarnings("ignore")  # submitit leaves its log files open
def test_a_failing_stage_is_one_line_and_what_is_done_stays(alone: Path, toys: Corpus, tmp_path: Path, monkeypatch):
    folder = without(alone, tmp_path / "run", "toy_loss of toy-1", "toy_loss of toy-2")
    monkeypatch.setenv("TOY_FAIL", "toy 2")
    with pytest.raises(NanoscopeError, match=r"^toy_loss of toy-2: this toy is broken$"):
        run_study(toy_study.study(), toys, folder, workers=1)
    monkeypatch.delenv("TOY_FAIL")
    assert run_here(toy_study.study(), toys, folder, monkeypatch) == ["toy_loss of toy-2"]
    assert same(folder, alone)


# ---- whatever is killed --------------------------------------------------------------------------------------------


def children(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def driven(folder: Path, corpus: Corpus) -> multiprocessing.process.BaseProcess:
    """A driver to be killed. A fork, because it has all that takes seconds to import, and itself computes nothing."""
    driver = multiprocessing.get_context("fork").Process(target=run_study, args=(toy_study.study(), corpus, folder, 1))
    driver.start()
    return driver


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find a process's children")
def test_a_driver_killed_three_times_ends_as_one_left_alone(alone: Path, toys: Corpus, tmp_path: Path):
    """In a training, among the checkpoints' stages, and wherever else chance has it; no worker outlives it for long."""
    folder = tmp_path / "run"
    moments = [
        lambda: any((folder / "models").glob("*/metrics.jsonl")),
        lambda: any((folder / "stages").glob("train*.json")),
        lambda: any((folder / "stages").glob("snapshot*.json")),
    ]
    chance = random.Random(0)
    for moment in moments:
        driver = driven(folder, toys)
        wait_until(lambda moment=moment, driver=driver: moment() or not driver.is_alive())
        time.sleep(chance.uniform(0, 0.5))
        workers = children(driver.pid or 0)
        driver.kill()
        driver.join()
        assert workers
        wait_until(lambda workers=workers: not any(alive(worker) for worker in workers))
    driver = driven(folder, toys)
    driver.join()
    assert driver.exitcode == 0
    assert same(folder, alone)


def test_a_killed_worker_is_survived(alone: Path, toys: Corpus, tmp_path: Path, monkeypatch):
    folder = without(alone, tmp_path / "run", "toy_loss of planted")
    monkeypatch.setenv("TOY_KILL", str(tmp_path / "killed"))
    run_study(toy_study.study(), toys, folder, workers=1)
    assert (tmp_path / "killed").exists()
    assert same(folder, alone)


def test_a_stage_that_kills_every_worker_is_given_up_in_one_line(
    alone: Path, toys: Corpus, tmp_path: Path, monkeypatch
):
    folder = without(alone, tmp_path / "run", "toy_loss of planted")
    monkeypatch.setenv("TOY_KILL", "always")
    monkeypatch.setattr(study, "MOST_RETRIES", 0)
    with pytest.raises(NanoscopeError, match=r"^toy_loss of planted: the process was killed 1 times[^\n]*$"):
        run_study(toy_study.study(), toys, folder, workers=1)


def test_a_stage_waits_for_an_earlier_calls_process_and_uses_what_it_made(alone: Path, toys: Corpus, monkeypatch):
    """As on a cluster, whose workers do not end with the driver."""
    (stage,) = [stage for stage in plan.plan_study(toy_study.study()).stages if stage.name == "toy_loss of planted"]
    workspace, made = stages.Workspace(alone, toys.name, toys.sha256), []
    key = stages.stage_key(stage, workspace, {})
    before = workspace.record(key).rename(alone / "kept.json")
    monkeypatch.setattr(stages.Analysis, "make", no_engine)
    thread = threading.Thread(target=lambda: made.append(stages.perform(stage, workspace, {})))
    with files.wait_for_lock(workspace.record(key, "lock")):
        assert files.is_held(workspace.record(key, "lock"))
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        before.rename(workspace.record(key))
    thread.join()
    assert made == [stages.recorded(stage, workspace, key)]
    assert not files.is_held(workspace.record(key, "lock"))


# ---- engines -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_pages_example_finds_what_one_process_finds(alone: Path, toys: Corpus, tmp_path, monkeypatch):
    """The example as it stands on the page, but for what study of what text it is."""
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(STUDIES, "quick", toy_study.study())
    monkeypatch.setattr("nanoscope.text.corpora.open_corpus", lambda: toys)
    exec(compile(EXAMPLES["dask"], str(PAGE), "exec"), {"__name__": "__main__"})
    assert same(tmp_path / "runs" / "quick", alone)


@pytest.mark.filterwarnings("ignore")
def test_an_own_dask_cluster_has_its_workers(tmp_path: Path):
    pytest.importorskip("distributed")
    with engines.open_executor("dask", 1, tmp_path) as engine:
        assert engine.slots == 1
        assert engine.submit(os.getpid).result(timeout=PATIENCE) != os.getpid()


@pytest.mark.filterwarnings("ignore")
def test_submitits_local_executor_runs_in_processes_of_its_own(tmp_path: Path):
    """There is no SLURM here: submitit's stand-in for it runs the same jobs."""
    pytest.importorskip("submitit")
    with engines.submitit_engine("local", 2, tmp_path) as engine:
        pids = [engine.submit(os.getpid) for _ in range(2)]
        assert len({future.result(timeout=PATIENCE) for future in pids} | {os.getpid()}) == 3


@pytest.mark.filterwarnings("ignore")
def test_a_lost_job_of_submitit_is_told_from_a_failed_one(tmp_path: Path, monkeypatch):
    core = pytest.importorskip("submitit.core.core")
    monkeypatch.setattr(core.Job, "_results_timeout_s", 1)
    with engines.submitit_engine("local", 2, tmp_path) as engine:
        killed, failed = engine.submit(toy_study.die), engine.submit(int, "no number")
        assert engines.lost(killed.exception(timeout=PATIENCE))
        assert not engines.lost(failed.exception(timeout=PATIENCE))


@pytest.mark.parametrize(("where", "package"), [("dask", "distributed"), ("slurm", "submitit")])
def test_a_missing_package_is_one_line_that_names_the_extra(where: str, package: str, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NanoscopeError, match=rf'package {package}.*pip install "nanoscope\[cluster\]"$'):
        engines.open_executor(where, 1, tmp_path).__enter__()


@pytest.mark.parametrize("where", ["mars", "local:3", ""])
def test_an_unknown_engine_is_one_line(where: str, tmp_path: Path):
    with pytest.raises(NanoscopeError, match=r"there is no engine .*; --cluster takes local, dask"):
        engines.open_executor(where, 1, tmp_path)


def test_slurm_where_there_is_none_is_one_line(tmp_path: Path):
    pytest.importorskip("submitit")
    if shutil.which("srun"):
        pytest.skip("there is a SLURM here")
    with pytest.raises(NanoscopeError, match="SLURM does not answer"):
        engines.open_executor("slurm:gpu", 1, tmp_path).__enter__()


def test_workers_have_one_thread_and_the_environment_is_put_back(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with engines.open_executor("local", 1, tmp_path) as engine:
        assert engine.submit(os.getenv, "OMP_NUM_THREADS").result(timeout=PATIENCE) == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"


# ---- what is shown -------------------------------------------------------------------------------------------------


def status(folder: Path) -> StudyProgress:
    """One training of two has ended (8 s); of the first toy's checkpoints two have (3 s and 5 s) and one is running."""
    whole = plan.plan_study(toy_study.study())
    watched = progress.Pace(whole, stages.Workspace(folder, "excerpt", ""))
    seconds = {"train toy-1": 8.0, "toy_snapshot of toy-1 at 0": 3.0, "toy_snapshot of toy-1 at 4": 5.0}
    records = {name: stages.Record(name, "output", taken) for name, taken in seconds.items()}
    running = {"train toy-2": "", "toy_snapshot of toy-1 at 8": study.EARLIER}
    return StudyProgress(watched.groups(progress.State(records, running, slots=2)), tuple(records.values()))


def test_time_left_is_what_the_pace_says(tmp_path: Path):
    """Two checkpoints of the first toy and four of the second, at 4 s each in two processes: 4 s and 8 s."""
    lines = {(line.kind, line.label): line for line in status(tmp_path).groups}
    first, second = lines["snapshot", "toy 1"], lines["snapshot", "toy 2"]
    assert (first.done, first.running, first.waiting, first.seconds_left, first.note) == (2, 1, 1, 4.0, study.EARLIER)
    assert (second.done, second.running, second.waiting, second.seconds_left) == (0, 0, 4, 8.0)
    assert lines["analyse", "toy 1"].seconds_left is None
    (snapshots,) = [line for line in progress.summed(list(lines.values())) if line.kind == "snapshot"]
    assert (snapshots.done, snapshots.running, snapshots.waiting, snapshots.seconds_left) == (2, 1, 5, 12.0)


def test_a_trainings_time_left_comes_from_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two iterations when first seen, five 30 s later: the seven that are left take 70 s. A line half written is no line."""
    watched = progress.Pace(plan.plan_study(toy_study.study()), stages.Workspace(tmp_path, "excerpt", ""))
    path = tmp_path / "models" / "toy-2" / "metrics.jsonl"
    path.parent.mkdir(parents=True)
    clock = iter([100.0, 130.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    for written, left in ((2, None), (5, 70.0)):
        path.write_text("".join(f'{{"step": {step}, "loss": 2.5}}\n' for step in range(written)) + '{"step": 99, "lo')
        (line,) = [line for line in watched.groups(progress.State({}, {"train toy-2": ""}, 2)) if line.running]
        assert line.seconds_left == left
        assert line.note == f"{written} of 12 iterations, loss 2.500"


def test_a_terminal_gets_a_table_and_a_log_a_line_for_each_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rich.console import Console

    from nanoscope.cli import study as shown

    console = Console(record=True, width=120, file=io.StringIO())
    console.print(shown.drawn(status(tmp_path), 75.0))
    text = console.export_text()
    assert re.search(r"training +1 +1 +\?", text)
    assert re.search(r"  toy 2 +0 +1 +\? +0 of 12 iterations", text)
    assert re.search(r"checkpoints +2 +1 +5 +12 s", text)
    assert "3 of 16 stages, 75 s, at least 12 s left" in text
    said = []
    monkeypatch.setattr(shown, "say", said.append)
    log = shown._Log()
    for _ in range(2):
        log.show(status(tmp_path))
    assert said == [
        "train toy-1: 8 s (1 of 16 stages)",
        "toy_snapshot of toy-1 at 0: 3 s (2 of 16 stages)",
        "toy_snapshot of toy-1 at 4: 5 s (3 of 16 stages)",
    ]
