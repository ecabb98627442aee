"""Experiments, studies and the report, end to end on models small enough for a test."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_model

from nanoscope import report
from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import published
from nanoscope.evidence.result import Result, load_result, load_results, save_result, thinned
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.experiments.code_digest import source_digest
from nanoscope.experiments.emergence.measure import Params as Emergence
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads.setting import Params as Heads
from nanoscope.experiments.induction.judge import best_previous_token_head
from nanoscope.experiments.induction.select import select
from nanoscope.experiments.induction.setting import Params as Induction
from nanoscope.experiments.lenses.measure import Params as Lenses
from nanoscope.experiments.runner import judged_again, provenance, run_experiment
from nanoscope.experiments.snapshot.measure import Params as Snapshot
from nanoscope.model.config import GPTConfig
from nanoscope.plots.saving import save as save_figure
from nanoscope.report import document
from nanoscope.report.publish import sweeps_read
from nanoscope.studies.members import Member, StudyDesign
from nanoscope.studies.presets import STUDIES
from nanoscope.studies.run import run_study
from nanoscope.text.corpora import Corpus
from nanoscope.training.recipe import Recipe

FEW = Induction(
    sequences=8,
    patch_examples=4,
    natural_examples=8,
    places=40,
    short_places=4,
    windows=8,
    permutations=20,
    random_models=1,
    random_sets=3,
    null_draws=5,
)
FEW_HEADS = Heads(
    windows=4,
    sequences=2,
    permutations=10,
    random_models=1,
    random_sets=2,
    planted_heads=1,
    planted_windows=4,
    repeats=1,
)
FEW_LENSES = Lenses(
    windows=6,
    tuned_tokens=400,
    held_out_tokens=200,
    tuned_steps=4,
    tuned_batch=32,
    damage_windows=4,
    checkpoints=3,
    checkpoint_windows=2,
    example_length=20,
    repeats=1,
)
SMALL = GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=48)
VERSIONS = Path(__file__).parents[2] / "src" / "nanoscope" / "experiments" / "versions.json"
SECTIONS = """Models analysed|Finding 1: Induction heads|Finding 1b: |Finding 2: What each attention head does|Finding 3: How
Methodological insights|Reproducibility|Visualisations|Code and data|Updates log""".replace("\n", "|").split("|")


def _study() -> StudyDesign:
    recipe = Recipe(SMALL, iterations=12, batch_size=4, eval_every=4, eval_windows=4, dense_until=0, checkpoint_every=2)
    echo = replace(recipe, data="echo", model=replace(SMALL, attention_only=True))
    both = {
        "induction": FEW,
        "snapshot": Snapshot(sequences=4, lengths=1, windows=4, held_out=2000),
        "emergence": Emergence(),
        "heads": FEW_HEADS,
        "lenses": FEW_LENSES,
    }
    return StudyDesign(
        "quick",
        (
            Member("model", "the quick model, seed 1", "model", recipe, both),
            Member("control", "the echo control, seed 1", "control", echo, both),
            Member("planted", "the planted model", "planted", None, {"induction": FEW}),
        ),
    )


Checks = dict[str, dict[str, bool]]


class Drawer:
    """In the place of the processes that draw: here, and the figures of a result that is the same in all once for all reports.

    So drawing, which takes most of a report's time, is tested where it is the question:
    `test_rendering_twice_gives_the_same_bytes` draws every figure again, in the processes.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[object, ...], dict[str, tuple[bytes, dict[str, bool]]]] = {}

    def __call__(self, *_: object, **__: object) -> "Drawer":
        return self

    def __enter__(self) -> "Drawer":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(
        self,
        draw: Callable[[Result, dict[str, str], Path], Checks],
        results: list[Result],
        paths: list[dict[str, str]],
        folders: Iterator[Path],
    ) -> Iterator[Checks]:
        for result, of, folder in zip(results, paths, folders, strict=False):
            said = repr((result.key, result.subject, result.findings, result.provenance, result.note))
            made = (*(_content(name, sweep) for name, sweep in sorted(result.sweeps.items())), said, *of)
            if made not in self.kept:
                checked = draw(result, of, folder)
                self.kept[made] = {name: ((folder / path).read_bytes(), checked[path]) for name, path in of.items()}
            for name, path in of.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(self.kept[made][name][0])
            yield {path: self.kept[made][name][1] for name, path in of.items()}


def _content(name: str, sweep: Sweep) -> tuple[object, ...]:
    return name, sweep.dims, sweep.unit, repr(sorted(sweep.coords.items())), sweep.values.shape, sweep.values.tobytes()


@pytest.fixture(scope="module")
def drawer() -> Iterator[Drawer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "ProcessPoolExecutor", drawn := Drawer())
        yield drawn


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, shakespeare: Corpus, drawer: Drawer) -> Path:
    """A whole study, run once: its folder."""
    folder = tmp_path_factory.mktemp("study") / "run"
    told = []
    run_study(_study(), Corpus("excerpt", shakespeare.text[:120_000]), folder, workers=2, progress=told.append)
    report.write(folder)
    assert {(line.kind, line.label) for line in told[0].groups} >= {("train", "the quick model, seed 1")}
    assert told[-1].done == told[-1].total
    return folder


def _page(folder: Path) -> str:
    return (folder / "FINDINGS.md").read_text()


def test_the_report_has_the_templates_sections_in_its_order(studied: Path) -> None:
    page = _page(studied)
    places = [page.index(f"\n## {section}") for section in SECTIONS]
    assert places == sorted(places)
    for blank in (r"TBD", r"\bNone\b", r"\bnan\b", r"[{}]"):
        assert not re.search(blank, page), blank
    assert "nanoscope report runs/quick" in page
    assert "Figures that fail a check" not in page
    assert "Future directions" not in page, "the project's history is not a user's"
    first = page.split("\n## ")[0]
    assert first.startswith("# What the quick model, seed 1 has learned")
    assert "| Is there an induction head? | **no** | " in first


def test_every_link_and_figure_of_the_report_exists(studied: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", _page(studied)) if not link.startswith("http")]
    assert len(links) > 20
    for link in links:
        assert (studied / link).exists(), link


def test_every_number_of_findings_json_resolves_to_its_result(studied: Path) -> None:
    findings = json.loads((studied / "findings.json").read_text())
    assert {f["model"] for f in findings} == {m.label for m in _study().members}
    for finding in findings:
        assert set(finding) >= {"id", "claim", "criterion", "value", "interval", "n", "null", "verdict", "result"}
        stored = json.loads((studied / "results" / finding["result"] / "result.json").read_text())
        (same,) = [f for f in stored["findings"] if f["id"] == finding["id"]]
        assert same["value"] == finding["value"]


def test_rendering_twice_gives_the_same_bytes(studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the stored results alone: no model is there. In processes of their own, as reports are drawn."""
    monkeypatch.setattr(document, "ProcessPoolExecutor", ProcessPoolExecutor)
    for name in ("results", "study.json"):
        source = studied / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    report.write(tmp_path)
    for path in [*studied.rglob("*.png"), studied / "FINDINGS.md", studied / "findings.json"]:
        assert path.read_bytes() == (tmp_path / path.relative_to(studied)).read_bytes(), path


@pytest.mark.slow
def test_a_published_study_is_the_same_page_and_renders_itself_again(studied: Path, tmp_path: Path) -> None:
    """Without models, from a copy: the same bytes; and what is left out of a result is said in it."""
    page = report.publish(studied, tmp_path / "results")
    assert page.read_text() == _page(studied)
    report.publish(studied, tmp_path / "results")
    assert report.write(tmp_path / "results").read_text() == _page(studied)
    assert not (tmp_path / "results" / "models").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.slow
def test_a_publication_that_would_be_too_large_changes_nothing(studied: Path, tmp_path: Path) -> None:
    report.publish(studied, tmp_path / "results")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "results").rglob("*")) if path.is_file()}
    with pytest.raises(NanoscopeError, match=r"would take \d+ MB, more than 0.1; the largest file is"):
        report.publish(studied, tmp_path / "results", most_bytes=100_000)
    assert before == {path: path.read_bytes() for path in sorted((tmp_path / "results").rglob("*")) if path.is_file()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(NanoscopeError, match="holds no published study"):
        report.publish(studied, tmp_path / "mine")


def test_a_thinned_result_keeps_its_findings_and_says_what_it_lost(studied: Path, tmp_path: Path) -> None:
    for result in load_results(studied / "results"):
        loaded = load_result(save_result(thinned(result, 2000), tmp_path))
        assert loaded.findings == result.findings
        lost = set(result.sweeps) - set(loaded.sweeps)
        assert lost == set(loaded.provenance["left_out"])
        assert all(result[name].values.nbytes > 2000 for name in lost)
        assert set(thinned(loaded, 200).provenance["left_out"]) >= lost


def test_what_the_page_reads_is_never_left_out(studied: Path, tmp_path: Path) -> None:
    """However small the limit, the page of thinned results is the same, but for the sizes that their provenance lists."""
    study = report.read_study(studied)
    needed = sweeps_read(study)
    for result in study.results:
        kept = load_result(save_result(thinned(result, -1, needed[result.key]), tmp_path / "results"))
        assert set(kept.sweeps) <= needed[result.key]
    (tmp_path / "study.json").write_bytes((studied / "study.json").read_bytes())
    assert document.render(report.read_study(tmp_path), {}) == document.render(study, {})
    assert any(set(result.sweeps) - needed[result.key] for result in study.results)


def test_a_study_that_is_there_is_not_made_again(studied: Path, shakespeare: Corpus) -> None:
    before = {path: path.stat().st_mtime_ns for path in studied.rglob("*.safetensors")}
    run_study(_study(), Corpus("excerpt", shakespeare.text[:120_000]), studied, workers=1)
    assert {path: path.stat().st_mtime_ns for path in studied.rglob("*.safetensors")} == before


@pytest.mark.slow
def test_an_interrupted_study_ends_as_one_left_alone(studied: Path, tmp_path: Path, shakespeare: Corpus) -> None:
    """All findings but timings are equal, whichever stages ran when."""
    corpus = Corpus("excerpt", shakespeare.text[:120_000])
    first = replace(_study(), members=_study().members[:1])
    run_study(first, corpus, tmp_path, workers=1)
    run_study(_study(), corpus, tmp_path, workers=1)

    def lasting(folder: Path) -> list[dict]:
        found = [published(finding) for result in report.read_study(folder).results for finding in result.findings]
        return [finding for finding in found if finding["kind"] != "timing"]

    assert len(lasting(tmp_path)) > 30
    assert lasting(tmp_path) == lasting(studied)


def test_findings_follow_from_the_stored_arrays(studied: Path) -> None:
    for result in load_results(studied / "results"):
        experiment = open_experiment(result.experiment)
        again = experiment.judge(result.sweeps)
        assert [f.to_json() for f in again] == [f.to_json() for f in result.findings]


def test_a_result_records_what_made_its_products() -> None:
    """In no key: the same numbers from another processor are the same result."""
    assert re.fullmatch(r"\w+ [\w ]+", provenance("induction", "")["products"])
    assert provenance("induction", "")["native_precision"] in ("bfloat16", "float32")


def test_a_result_judged_again_keeps_its_numbers_and_takes_the_next_version(studied: Path, tmp_path: Path) -> None:
    result = next(iter(load_results(studied / "results")))
    experiment = open_experiment(result.experiment)
    before = replace(result, identity={**result.identity, "version": experiment.version - 1}, findings=())
    again = load_result(save_result(judged_again(experiment, before), tmp_path))
    assert (again.key, again.findings) == (result.key, result.findings)
    assert again.provenance["measured_by"] == result.provenance["source"]
    elsewhere = replace(again, provenance={**again.provenance, "source": "of the first judge"})
    assert judged_again(experiment, elsewhere).provenance["measured_by"] == result.provenance["source"]
    assert all(
        np.array_equal(again[name].values, sweep.values, equal_nan=True) for name, sweep in result.sweeps.items()
    )


def test_the_planted_model_is_seen_through(studied: Path) -> None:
    (result,) = [r for r in load_results(studied / "results") if r.subject.role == "planted"]
    verdicts = {f.id.split(".")[1]: f.verdict for f in result.findings}
    assert verdicts.pop("absent") == "not supported"
    assert set(verdicts.values()) == {"supported"}
    said = result.finding("induction.heads").evidence
    assert said.facts["head"] == "L1H0"
    assert said.value == pytest.approx(1.0, abs=1e-3)
    assert best_previous_token_head(result.sweeps).facts["head"] == "L0H0"


def test_an_untrained_model_has_no_induction_head_and_nothing_to_localise(studied: Path) -> None:
    (result,) = [
        r for r in load_results(studied / "results") if r.subject.role == "model" and r.experiment == "induction"
    ]
    verdicts = {f.id.split(".")[1]: f.verdict for f in result.findings}
    assert verdicts["heads"] == "not supported"
    assert verdicts["absent"] == "supported"
    assert verdicts["localised"] == "not applicable"


def test_figures_do_not_change_by_being_drawn(studied: Path, tmp_path: Path) -> None:
    import matplotlib

    (result,) = [r for r in load_results(studied / "results") if r.subject.role == "planted"]
    arrays = {name: sweep.values.copy() for name, sweep in result.sweeps.items()}
    settings = dict(matplotlib.rcParams)
    save_figure(open_experiment("induction").figures["induction_attention"](result), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == (studied / "figures/planted-model/induction_attention.png").read_bytes()
    assert all((result.sweeps[name].values == values).all() for name, values in arrays.items())
    assert dict(matplotlib.rcParams) == settings


def test_a_result_that_is_missing_stops_the_report(studied: Path, tmp_path: Path) -> None:
    shutil.copy(studied / "study.json", tmp_path / "study.json")
    with pytest.raises(NanoscopeError, match="not a complete result"):
        report.write(tmp_path)
    assert not (tmp_path / "FINDINGS.md").exists()


def test_a_report_of_one_models_experiment_needs_no_study(studied: Path, tmp_path: Path) -> None:
    shutil.copytree(studied / "results", tmp_path / "results")
    for path in (tmp_path / "results").glob("*"):
        if json.loads((path / "result.json").read_text())["subject"]["role"] != "model":
            shutil.rmtree(path)
    report.write(tmp_path)
    assert "(The columns of the echo control, the planted model come with the package.)" in _page(tmp_path)


def test_selection_takes_heads_that_pass_everywhere_and_says_when_none_does() -> None:
    scores = np.zeros((2, 4, 2, 2, 3))
    scores[:, 0, 1, 0] = 0.6
    scores[0, 0, 1, 1], scores[1, 0, 1, 1] = 0.9, 0.2
    scores[:, 3, 0, 1] = 0.5
    coords = {"score": ("induction", "induction_last", "duplicate", "previous")}
    sweep = Sweep(scores, ("length", "score", "layer", "head", "example"), "share", coords)
    p = Sweep(np.full((2, 2), 0.01), ("layer", "head"), "p")
    chosen = select(sweep, p)
    assert (chosen.induction, chosen.previous, chosen.found, chosen.fed) == (((1, 0),), (0, 1), True, True)
    none = select(sweep, Sweep(np.full((2, 2), 0.2), ("layer", "head"), "p"))
    assert (none.induction, none.found) == (((1, 0),), False)


def test_a_folder_belongs_to_one_study(studied: Path, shakespeare: Corpus) -> None:
    with pytest.raises(NanoscopeError, match="holds the study quick of excerpt; choose another folder"):
        run_study(STUDIES["control"], Corpus("excerpt", shakespeare.text[:120_000]), studied)


def test_of_two_results_of_one_model_the_report_shows_the_newer(studied: Path, tmp_path: Path) -> None:
    shutil.copytree(studied / "results", tmp_path / "results")
    (old,) = [r for r in load_results(tmp_path / "results") if r.subject.role == "planted"]
    later = {**old.provenance, "time": "2999-01-01T00:00:00Z"}
    new = replace(old, identity={**old.identity, "params": {**old.identity["params"], "seed": 7}}, provenance=later)
    save_result(new, tmp_path / "results")
    study = report.read_study(tmp_path)
    assert [r.key for r in study.results if r.subject.role == "planted"] == [new.key]
    assert study.left_aside.startswith(f"{old.key} (induction on the planted model, ")
    assert not [label for label in study.labels if "iteration" in label]


def test_an_intermediate_checkpoint_can_be_reported_on(studied: Path, tmp_path: Path, shakespeare: Corpus) -> None:
    checkpoint = load(studied / "models" / "model" / "checkpoints" / "step_00000004")
    subject = Subject(checkpoint, Corpus("excerpt", shakespeare.text[:120_000]), "an early model")
    run_experiment(open_experiment("induction"), subject, FEW, tmp_path / "results")
    report.write(tmp_path)
    assert "| 4 of 12 x 4 x 48 |" in _page(tmp_path)


def test_a_broken_model_is_not_analysed(tmp_path: Path, shakespeare: Corpus) -> None:
    checkpoint = Checkpoint(random_model(vocab_size=65), shakespeare.vocabulary)
    checkpoint.model.lm_head.weight.mul_(1e38)
    with pytest.raises(NanoscopeError, match="fails a self-check"):
        run_experiment(open_experiment("induction"), Subject(checkpoint, shakespeare, "broken"), FEW, tmp_path)
    assert not list(tmp_path.iterdir())


def test_presets_are_what_the_design_says() -> None:
    assert set(STUDIES) >= {"quick", "control", "published"}
    recipe = STUDIES["published"].members[0].recipe
    assert recipe is not None
    assert (recipe.iterations, recipe.batch_size, recipe.model.dropout, recipe.weight_decay) == (5000, 64, 0.2, 0.1)
    assert len({m.recipe.seed for m in STUDIES["control"].members if m.recipe}) == 6
    assert open_experiment("induction").settings["planted"].random_sets >= 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiments_name_and_question_stand_in_one_place(name: str) -> None:
    """The name is the module's; the question is in no other file."""
    experiment = open_experiment(name)
    assert experiment.name == name
    package = VERSIONS.parent.parent
    asked = [path for path in package.rglob("*.py") if f'"{experiment.question}"' in path.read_text()]
    assert asked == [package / "experiments" / name / "__init__.py"]


def test_the_names_are_known_before_any_experiment_is_loaded() -> None:
    code = "import sys, nanoscope.experiments as e; e.EXPERIMENTS; print(*[m for m in sys.modules if e.__name__ in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "nanoscope.experiments\n"
    with pytest.raises(NanoscopeError, match="there is no experiment 'digest'; there are profile, induction"):
        open_experiment("digest")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_code_and_version_agree(name: str) -> None:
    """The code behind an experiment's numbers changed: raise its version, or make sure that the numbers did not change;
    then run scripts/record_version.py."""
    known = json.loads(VERSIONS.read_text())[name][str(open_experiment(name).version)]
    assert source_digest(name) in known


def test_the_digest_sees_code_and_not_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nanoscope.experiments import code_digest

    module = tmp_path / "m.py"
    monkeypatch.setattr(code_digest, "_path", lambda name: module)
    codes = []
    for text in ("x = 1\n", '"""Doc."""\n# why\nx = 1\n', "x = 2\n"):
        module.write_text(text)
        codes.append(code_digest._code("nanoscope.m"))
    assert codes[0] == codes[1] != codes[2]


def test_the_digest_reaches_the_arithmetic_and_not_the_plots() -> None:
    from nanoscope.experiments import code_digest

    reached = code_digest._reached("nanoscope.experiments.induction")
    assert {
        "nanoscope.model.gpt",
        "nanoscope.analysis.attention.repeated_sequences",
        "nanoscope.experiments.induction.judge",
    } <= reached
    assert not [name for name in reached if name.startswith("nanoscope.plots")]


@pytest.mark.parametrize(("part", "counts"), [("figures", False), ("page", False), ("claims", True), ("measure", True)])
def test_a_change_of_words_makes_no_result_stale(
    part: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nanoscope.experiments import code_digest

    changed, find, name = tmp_path / "changed.py", code_digest._path, f"nanoscope.experiments.induction.{part}"
    changed.write_text(find(name).read_text() + "\nCHANGED = 1\n")
    before = source_digest("induction")
    monkeypatch.setattr(code_digest, "_path", lambda asked: changed if asked == name else find(asked))
    assert (code_digest.source_digest.__wrapped__("induction") != before) == counts
