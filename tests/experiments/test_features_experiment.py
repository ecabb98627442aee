"""The experiment on features: it trains, measures, judges and draws on a small model; planted numbers give the verdicts."""

import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.features.active import active_over
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries import fit as training
from nanoscope.dictionaries.fit import fit
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Source, TextStream
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import answers
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.features import known, measure
from nanoscope.experiments.features.concepts import detectors, of_latents
from nanoscope.experiments.features.judge import SAME, within
from nanoscope.experiments.features.setting import OWN, TWIN, Params
from nanoscope.experiments.features.texts import texts_of
from nanoscope.experiments.measuring import Sweeps
from nanoscope.experiments.pages import section
from nanoscope.experiments.runner import run_experiment
from nanoscope.planted.neuron import plant_detector
from nanoscope.text.corpora import Corpus

FEW = Params(
    latents=40, k=4, tokens=4096, dictionaries=2, transcoder_latents=30, measured=1000,
    characters=2500, shifts=200, least=20, prompt=8, edges=12,
)  # fmt: skip
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 32}
EXPERIMENT = open_experiment("features")


@pytest.fixture(scope="module")
def excerpt(shakespeare: Corpus) -> Corpus:
    return Corpus("excerpt", shakespeare.text[:40_000])


def subject(corpus: Corpus, scale: float = 3.0, **changes) -> Subject:
    model = random_model(scale=scale, **(SHAPE | changes), vocab_size=len(corpus.vocabulary))
    return Subject(Checkpoint(model, corpus.vocabulary, sha256="0"), corpus, "a small model")


@pytest.fixture(scope="module")
def result(excerpt: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "RECIPE", replace(known.RECIPE, tokens=20_000))
        return run_experiment(EXPERIMENT, subject(excerpt), FEW, tmp_path_factory.mktemp("features"))


def judged(sweeps: Sweeps) -> dict[str, str]:
    return {finding.id.partition(".")[2]: finding.verdict for finding in EXPERIMENT.judge(sweeps)}


def test_every_claim_is_judged_and_every_figure_drawn(result: Result) -> None:
    verdicts = judged(dict(result.sweeps))
    assert set(verdicts) == {"twin", "basis", "concepts", "recur", "graph"}
    assert not {"not applicable", "too little data"} & set(verdicts.values())
    assert verdicts["concepts"] == "not supported", "a random model knows no context"
    for draw in EXPERIMENT.drawable(result).values():
        assert draw(result).axes
    assert set(EXPERIMENT.drawable(result)) == set(EXPERIMENT.figures)


def test_a_result_holds_no_weights_and_its_section_no_gaps(result: Result) -> None:
    assert not [name for name in result.sweeps if name.startswith("_")]
    assert sum(sweep.values.nbytes for sweep in result.sweeps.values()) < 200_000
    text = section(Study("quick", (result,)), "features").split("<details>")[0]
    assert "## Finding 6: Of which features is it made?" in text
    for blank in (r"\bnan\b", r"\bNone\b", r"\{", "undefined"):
        assert not re.search(blank, text), blank
    replies = answers(EXPERIMENT.questions, result)
    assert len(replies) == 5
    assert not any(re.search(r"[{}]|None|undefined", one.size) for one in replies)


def test_an_interrupted_training_goes_on_in_the_middle_and_ends_with_the_same_numbers(
    excerpt: Corpus, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "RECIPE", replace(known.RECIPE, tokens=20_000))
    update, steps = training._update, []

    def stopped(*arguments):
        steps.append(arguments[-1])
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return update(*arguments)

    monkeypatch.setattr(training, "_update", stopped)
    with pytest.raises(KeyboardInterrupt, match="dictionaries: 3 of 10 steps are kept, and the same command goes on"):
        run_experiment(EXPERIMENT, subject(excerpt), FEW, tmp_path)
    found = run_experiment(EXPERIMENT, subject(excerpt), FEW, tmp_path)
    own, twin = (
        FEW.tokens // 2048 * len(wanted(measure.setting_of(subject(excerpt), FEW)))
        for wanted in (measure.fits, measure.fits_of_twin)
    )
    planted = 2 * -(-20_000 // 512)
    assert len(steps) == own + twin + planted, "no step is made twice"
    for name in ("explained", "aurocs", "transcoders", "recurrence", "edges"):
        assert np.array_equal(found[name].values, result[name].values), name
    assert [path.name for path in tmp_path.iterdir()] == [found.key]


def test_without_transcoders_there_is_no_graph(excerpt: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "RECIPE", replace(known.RECIPE, tokens=5000))
    few = replace(FEW, transcoder_latents=0)
    found = EXPERIMENT.measure(subject(excerpt), few)
    assert judged(found)["graph"] == "not applicable"
    bare = Result("features", {}, StoredSubject("without transcoders"), found, EXPERIMENT.judge(found))
    assert set(EXPERIMENT.drawable(bare)) == {"features_quality", "features_concepts"}


def test_a_model_without_mlps_has_no_graph_and_no_neurons(excerpt: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "RECIPE", replace(known.RECIPE, tokens=5000))
    found = EXPERIMENT.measure(subject(excerpt, attention_only=True), FEW)
    assert found["told"].labels("source") == (OWN, TWIN)
    assert judged(found)["graph"] == "not applicable"
    bare = Result("features", {}, StoredSubject("without MLPs"), found, EXPERIMENT.judge(found))
    for draw in EXPERIMENT.drawable(bare).values():
        draw(bare)


def test_settings_that_cannot_be_are_one_line(excerpt: Corpus) -> None:
    with pytest.raises(NanoscopeError, match="--dictionaries must be at least 2"):
        replace(FEW, dictionaries=1)
    with pytest.raises(NanoscopeError, match="k = 4 of 2 latents"):
        EXPERIMENT.stages(subject(excerpt), replace(FEW, latents=2))


# ---- verdicts follow the numbers -------------------------------------------------------------------------------------


def explained(**share: float) -> Sweep:
    """Sixteen windows in which each coder leaves this share, by coder in the order of the experiment."""
    noise = np.random.default_rng(0).normal(1, 0.01, (4, 16))
    values = np.stack([np.array(list(share.values()))[:, None] * noise, np.ones((4, 16))], axis=1)
    names = {"coder": measure.EXPLAINING, "part": ("error", "variance")}
    return Sweep(values, ("coder", "part", "window"), "squared", names)


@pytest.mark.parametrize(
    ("own", "pca", "coordinates", "twin", "verdicts"),
    [
        (0.1, 0.3, 0.5, 0.2, ("supported", "supported")),
        (0.2, 0.22, 0.5, 0.1, ("not supported", "not supported")),
        (0.2, 0.5, 0.1, 0.9, ("supported", "not supported")),
    ],
)
def test_more_than_the_twin_and_the_better_basis(result, own, pca, coordinates, twin, verdicts) -> None:
    sweeps = {**result.sweeps, "explained": explained(own=own, pca=pca, coordinates=coordinates, twin=twin)}
    found = judged(sweeps)
    assert (found["twin"], found["basis"]) == verdicts


def test_features_that_recur_and_edges_that_hold(result: Result) -> None:
    again = np.stack([np.full(200, SAME + 0.1), np.full(200, 0.3)])
    recurrence = Sweep(again, ("against", "feature"), "cosine", {"against": ("dictionary 2", "turned at random")})
    assert judged({**result.sweeps, "recurrence": recurrence})["recur"] == "supported"
    assert judged({**result.sweeps, "recurrence": replace(recurrence, values=again[::-1])})["recur"] == "not supported"
    predicted = np.linspace(1, 2, 60)
    for factor, verdict in ((1.1, "supported"), (0.5, "not supported"), (-1.0, "not supported")):
        edges = Sweep(np.stack([predicted, factor * predicted]), ("which", "edge"), "contribution")
        assert judged({**result.sweeps, "edges": edges})["graph"] == verdict
    assert within(np.array([1.0, -1.0, 1.0]), np.array([1.19, -0.81, 0.79])).tolist() == [True, True, False]


def test_concepts_count_if_they_are_told_beyond_shifted_labels(result: Result) -> None:
    told, p = result["told"], result["p"]
    clear = replace(told, values=np.full_like(told.values, 0.95))
    sure = replace(p, values=np.full_like(p.values, 0.0005))
    assert judged({**result.sweeps, "told": clear, "p": sure})["concepts"] == "supported"
    assert (
        judged({**result.sweeps, "told": clear, "p": replace(p, values=np.ones_like(p.values))})["concepts"]
        == "not supported"
    )


# ---- known answers ---------------------------------------------------------------------------------------------------


def test_noise_has_the_spread_of_the_planted_features_and_none_of_them() -> None:
    planted, noise = known.PlantedFeatures(tokens=40_000), known.Noise(tokens=40_000)
    one, other = (torch.cov(stream.filling(0).x.T) for stream in (planted, noise))
    assert float((one - other).norm() / one.norm()) < 0.1
    torch.testing.assert_close(planted.filling(0).x.mean(0), noise.filling(0).x.mean(0), atol=0.02, rtol=0.1)


def test_the_planted_detector_neuron_is_found_again_as_a_feature(excerpt: Corpus, tmp_path: Path) -> None:
    """A dictionary of all neurons of its layer has a feature that points along it and is active on its character alone; the
    same fit without the planted neuron has none that points there."""
    of = subject(excerpt, n_embd=128, scale=2.0)
    token, layer, neuron = of.tokenizer.names(99).index("e"), 1, 17
    planted = plant_detector(of.checkpoint.model, token, layer, neuron)
    source, texts = Source.named(f"post.{layer}"), texts_of(of, 1000, 2500, 20)
    along, told = [], []
    for model in (planted, of.checkpoint.model):
        stream = TextStream.of(model, of.checkpoint.encode(excerpt.train), source, 256, 1)
        recipe = Recipe("topk", 96, 3, 80_000, 256, learning_rate=5e-3, dead_after=10_000)
        coder = fit(stream, recipe, tmp_path / str(len(along)))
        active = active_over(model, source, coder, texts.select.windows)
        labels = texts.select.labels
        found = detectors(of_latents(active), active.latents, labels, texts.select.windows.size, 200)
        feature = int(coder.W_dec[:, neuron].argmax())
        along.append(float(coder.W_dec[feature, neuron]))
        told.append(float(found.auroc[feature, labels.names.index("current e")]))
    assert along[0] > 0.95
    assert told[0] > 0.99
    assert along[1] < 0.8
