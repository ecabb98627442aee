"""The experiment of the neurons end to end, on models small enough for a test, and its command."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_model

from nanoscope import cli
from nanoscope.analysis.neurons.statistics import dead
from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.neurons.judge import corrected_p
from nanoscope.experiments.neurons.labels import CONTEXT, CURRENT, FAMILIES, KIND, labels
from nanoscope.experiments.neurons.measure import Params, stages
from nanoscope.experiments.neurons.stored import in_context
from nanoscope.experiments.pages import section as page_section
from nanoscope.experiments.runner import run_experiment
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.plots.quality import checklist
from nanoscope.plots.saving import save as save_figure
from nanoscope.text.concepts import concepts
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import windows

FEW = Params(
    characters=4000,
    select=4000,
    report=3000,
    shifts=400,
    least=20,
    examples=4,
    sample=500,
    ablated=2,
    random_neurons=1,
    ablation_windows=4,
    cards=2,
)
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 32}


@pytest.fixture(scope="module")
def excerpt(shakespeare: Corpus) -> Corpus:
    return Corpus("excerpt", shakespeare.text[:60_000])


def _subject(corpus: Corpus, role: str = "model", seed: int = 0, **changes) -> Subject:
    vocabulary = corpus.vocabulary
    model = random_model(seed=seed, **(SHAPE | changes), vocab_size=len(vocabulary))
    return Subject(
        Checkpoint(model, vocabulary, training={"seed": seed}, sha256=str(seed)), corpus, f"model {seed}", role
    )


@pytest.fixture(scope="module")
def measured(excerpt: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_experiment(open_experiment("neurons"), _subject(excerpt), FEW, tmp_path_factory.mktemp("neurons"))


def test_a_random_model_has_no_context_neurons_but_the_planted_one_is_found(measured: Result) -> None:
    verdicts = {finding.id.split(".")[1]: finding.verdict for finding in measured.findings}
    assert verdicts["selective"] == "not supported"
    assert set(verdicts) == {"selective", "basis", "depth", "ablation"}
    said = dict(zip(measured["planted"].labels("measure"), measured["planted"].values[0, 0], strict=True))
    assert (said["auroc"], said["top share"]) == (1, 1)
    assert said["change"] < 1e-12
    assert said["p"] == said["smallest p"]


def test_findings_follow_from_the_stored_arrays(measured: Result) -> None:
    experiment = open_experiment("neurons")
    again = experiment.judge(measured.sweeps)
    assert [f.to_json() for f in again] == [f.to_json() for f in measured.findings]
    assert json.dumps([f.to_json() for f in again])


def test_p_values_know_their_families_and_shifts_test_no_place(measured: Result) -> None:
    p, families = corrected_p(measured.sweeps), measured["families"].values
    assert np.isnan(p[families == FAMILIES.index("position")]).all()
    assert not np.isnan(p[families != FAMILIES.index("position")]).any()
    context = measured["p"].values[in_context(measured.sweeps)]
    assert (p[in_context(measured.sweeps)] >= context).all()


def test_every_figure_and_the_section_are_drawn_from_the_result(measured: Result, tmp_path: Path) -> None:
    for name, draw in open_experiment("neurons").figures.items():
        figure = draw(measured)
        assert all(checklist(figure).values()), name
        save_figure(figure, tmp_path / f"{name}.png")
    section = page_section(Study("quick", (measured,)), "neurons")
    assert "## Finding 3b: What the hidden units know" in section
    assert re.search(r"most on, .*: .* L\dN\d+, ", section)
    assert "neurons_concepts.png" in section
    for blank in (r"\bnan\b", r"\bNone\b", r"\{", "undefined"):
        assert not re.search(blank, section.split("<details>")[0]), blank
    assert page_section(Study("quick", (replace(measured, experiment="snapshot"),)), "neurons") == ""


@pytest.mark.parametrize("changes", [{"n_layer": 1, "bias": True}, {"n_embd": 16, "activation": "relu"}])
def test_other_shapes_are_measured_and_say_what_they_lack(excerpt: Corpus, tmp_path: Path, changes: dict) -> None:
    """One layer has no depth; a narrow one no direction for a single character."""
    result = run_experiment(open_experiment("neurons"), _subject(excerpt, **changes), FEW, tmp_path)
    if "n_layer" in changes:
        assert result.finding("neurons.depth").verdict == "not applicable"
    else:
        assert np.isnan(result["planted"].values).all()
    for draw in open_experiment("neurons").figures.values():
        draw(result)
    page_section(Study("quick", (result,)), "neurons")


def test_the_planted_induction_model_has_a_start_symbol_and_dead_neurons(excerpt: Corpus, tmp_path: Path) -> None:
    checkpoint = planted_induction(excerpt.vocabulary, Planted(context=33))
    few = replace(FEW, select=2000, report=1000, characters=1000)
    result = run_experiment(
        open_experiment("neurons"), Subject(checkpoint, excerpt, "planted", "planted"), few, tmp_path
    )
    assert result["planted"].sel(measure="auroc").values == 1
    assert dead(result["statistics"]).all()
    assert result["aurocs"].sel(source="neurons").values == pytest.approx(0.5)
    for draw in open_experiment("neurons").figures.values():
        draw(result)
    assert "undefined" not in page_section(Study("quick", (result,)), "neurons").split("<details>")[0]


def test_what_cannot_be_measured_is_one_line(excerpt: Corpus, tmp_path: Path) -> None:
    experiment = open_experiment("neurons")
    with pytest.raises(NanoscopeError, match="attention-only, so it has no neurons"):
        run_experiment(experiment, _subject(excerpt, attention_only=True), FEW, tmp_path)
    foreign = replace(_subject(excerpt), corpus=Corpus("other", excerpt.text + "€" * 2000))
    with pytest.raises(NanoscopeError, match="is not among"):
        run_experiment(experiment, foreign, FEW, tmp_path)
    with pytest.raises(NanoscopeError, match="too few for windows of 32"):
        run_experiment(experiment, _subject(Corpus("short", excerpt.text[:1200])), FEW, tmp_path)
    with pytest.raises(NanoscopeError, match="--shifts must be at least 1"):
        replace(FEW, shifts=0)


def test_a_result_is_small_and_holds_nothing_that_is_not_read(measured: Result) -> None:
    assert sum(sweep.values.nbytes for sweep in measured.sweeps.values()) < 300_000
    per_neuron = {name for name, sweep in measured.sweeps.items() if "neuron" in sweep.dims and "layer" in sweep.dims}
    assert per_neuron == {"statistics", "roles"}
    assert measured["told"].labels("concept") == tuple(
        name
        for name, mine in zip(measured["families"].labels("concept"), in_context(measured.sweeps), strict=True)
        if mine
    )


def test_families_are_read_off_the_text() -> None:
    """What the character decides is a kind of character; a text without speakers has no such concept."""
    text = "\n\n".join("The old man said: go away now.\nAnd so he went" for _ in range(60))
    read = tokenized(text, Vocabulary.of(text))
    laid = windows(read.tokens, 16, len(text))
    here, there, rare = labels((read, laid), (read, laid), 5)
    assert here.names == there.names
    of = dict(zip(here.names, here.families, strict=True))
    assert (of["vowel"], of["line start"], of["word end"], of["current space"]) == (KIND, CONTEXT, CONTEXT, CURRENT)
    assert "speaker name" not in of
    assert rare > 0
    assert np.array_equal(here.of("line start"), concepts(text)["line start"][laid.laid_out])
    following = [text[place + 1] == "o" for place in laid.laid_out]
    assert here.of("next o").tolist() == following


# ---- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_disk(excerpt: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("command")
    save(_subject(excerpt, n_layer=1, block_size=24).checkpoint, folder / "model")
    (folder / "text.txt").write_text(excerpt.text)
    return folder / "model", folder / "text.txt"


def _call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        cli.main(["neurons", *map(str, arguments), "--threads", "1"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_command_lists_neurons_and_marks_a_text(
    on_disk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = on_disk
    out = tmp_path / "neurons.png"
    code, shown, error = _call(capsys, model, "--data", data, "--text", "Speak up, sir: O", "--out", out)
    assert (code, error) == (0, "")
    assert "speaker name" in shown
    assert "silent on it" in shown
    assert "Speak up, sir: O" in re.sub("[‹›]", "", shown)
    assert out.exists()
    assert (tmp_path / "neurons-text.png").exists()


def test_the_command_shows_one_neuron_and_refuses_what_is_not_there(
    on_disk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = on_disk
    out = tmp_path / "one.png"
    code, shown, _ = _call(capsys, model, "--data", data, "--layer", 0, "--neuron", 17, "--out", out)
    assert code == 0
    assert "L0N17: AUROC" in shown
    assert "silent on" in shown
    assert out.exists()
    for wrong, message in (
        (("--layer", 0, "--neuron", 999), "there is no neuron 999"),
        (("--neuron", 3), "--layer and --neuron together"),
        (("--text", ""), "give 1 to 24"),
        (("--text", "€"), "is not among"),
    ):
        code, _, error = _call(capsys, model, "--data", data, *wrong)
        assert code == 2
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "least", "said"),
    [
        ("a" * 6000, 20, "only one symbol"),
        (
            "".join(map(chr, range(65, 115))) * 120,
            100,
            "at most 12; give a text about 9 times as long",
        ),
        (
            "The cat sat on the mat. " * 10,
            20,
            "so give a text of at least 1,000",
        ),
    ],
)
def test_a_text_that_is_too_small_or_monotonous_is_refused_at_once_with_what_is_needed(
    text: str, least: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus("small", text)
    model = random_model(vocab_size=len(corpus.vocabulary))
    monkeypatch.setattr(sys.modules[stages.__module__], "over_text", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(NanoscopeError) as caught:
        stages(Subject(Checkpoint(model, corpus.vocabulary), corpus, "x"), Params(least=least))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
