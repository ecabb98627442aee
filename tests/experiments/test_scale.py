"""Sizes: planted capabilities of models that were run and of some that were not, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys.claim_texts import published, texts

from nanoscope.analysis.prediction import text_loss
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Group
from nanoscope.experiments.runner import run_comparison
from nanoscope.experiments.scale.judge import copying_of_one_layer, copying_of_two_layers, loss_saved_by_width
from nanoscope.experiments.scale.measure import flops
from nanoscope.plots.quality import checklist

SCALE = open_experiment("scale")


def _cell(task: str, layers: int, width: int, seed: int, copies: float, loss: float) -> Result:
    config = {"n_layer": layers, "n_embd": width, "block_size": 64}
    training = {"data": task, "step": 2000, "iterations": 2000, "batch_size": 12, "accumulation": 1, "seed": seed}
    heads = np.zeros((1, 2, layers, 2, 3))
    heads[0, 1, 0, 0] = 0.5
    text = np.array([[loss] * 4, [0.0] * 4, [1.0] * 4, [1.0] * 4])
    sweeps = {
        "heads": Sweep(heads, ("length", "score", "layer", "head", "example"), "share"),
        "behaviour": Sweep(np.array([[[copies] * 3, [0.0] * 3]]), ("measure", "run", "example"), "share",
                           {"measure": ("accuracy",)}),
        "text": Sweep(text, ("quantity", "window"), "nats", {"quantity": text_loss.WAYS}),
    }  # fmt: skip
    about = StoredSubject(
        f"{task} {layers} {width}", training=training, config=config, parameters=1000 * layers * width
    )
    return Result("snapshot", {"of": [task, layers, width, seed]}, about, sweeps)


def test_the_smallest_size_that_copies_is_found_and_cells_not_run_are_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [
        _cell(task, layers, width, seed, (0.9 if layers > 1 and width > 64 else 0.02) + 0.01 * rng.random(), 2.5 - 0.1 * layers)
        for task in ("text", "echo") for layers in (1, 2, 4) for width in (64, 128, 256) for seed in (1, 2, 3)
        if (task, layers, width) != ("text", 4, 256)
    ]  # fmt: skip
    result = run_comparison(SCALE, Group("sizes", "seeds", tuple(cells)), SCALE.params(), tmp_path)
    verdicts = {f.id.split(".")[1]: f.verdict for f in result.findings}
    assert verdicts == {"one_layer": "supported", "two_layers": "supported", "text_heads": "supported",
                        "depth": "supported", "width": "not supported"}  # fmt: skip
    assert result.finding("scale.one_layer").evidence.facts["silent"] == (64,)
    assert "without width 64, at which no training" in result.finding("scale.one_layer").text
    smallest = (("parameters", 256_000), ("layers", 2), ("width", 128))
    assert result.finding("scale.two_layers").evidence.facts["smallest"] == smallest
    every = tuple((layers, width) for layers in (1, 2, 4) for width in (64, 128, 256))
    assert result.finding("scale.text_heads").evidence.facts["have_previous"] == every[:-1]
    assert result.finding("scale.depth").evidence.value == pytest.approx(0.3)
    assert np.isnan(result["scores"].sel(task="text", layers=4, width=256).values).all()
    figure = SCALE.figures["scale_capabilities"](result)
    assert "not run" in {text.get_text() for ax in figure.axes for text in ax.texts}
    assert all(all(checklist(draw(result)).values()) for draw in SCALE.figures.values())


def test_a_width_that_learned_nothing_says_nothing_of_one_layer(tmp_path: Path) -> None:
    """Where nothing copies, one layer is not judged; where one layer itself copies, its width counts."""
    shapes = [("echo", layers, width, seed) for layers in (1, 2, 4) for width in (64, 128, 256) for seed in (1, 2, 3)]
    for copier, verdict in ((0, "not applicable"), (1, "not supported"), (2, "supported")):
        cells = [_cell(*shape, 0.9 - 0.01 * shape[3] if shape[1:3] == (copier, 128) else 0.01, 2.0) for shape in shapes]
        found = run_comparison(SCALE, Group("sizes", "seeds", tuple(cells)), SCALE.params(), tmp_path / str(copier))
        assert found.finding("scale.one_layer").verdict == verdict


def test_flops_of_the_canonical_training() -> None:
    """6 N T by hand for the 10.6M working parameters and 41M tokens, plus attention's own."""
    config = {"n_layer": 6, "n_embd": 384, "block_size": 128}
    training = {"iterations": 5000, "batch_size": 64, "accumulation": 1}
    tokens = 5000 * 64 * 128
    expected = 6 * (10_695_936 - 128 * 384) * tokens + 12 * 6 * 384 * 128 * tokens
    assert flops(config, training, 10_695_936) == expected


def _scores(copies: np.ndarray, loss: np.ndarray) -> dict[str, Sweep]:
    """What is judged, of depths 1 and 2, widths 64 and 128 and two seeds: accuracy gained and loss `[layers, width, seed]`."""
    axes = {"task": ("text", "echo"), "layers": (1, 2), "width": (64, 128), "seed": (1, 2)}
    values = np.stack([np.stack([0 * copies, copies]), np.stack([loss, loss])])
    parameters = np.broadcast_to(np.array([[1000, 3000], [2000, 6000]])[:, :, None], (1, 2, 2, 2, 2)).astype(float)
    return {
        "scores": Sweep(values, ("measure", *axes), "share; nats", {"measure": ("copying accuracy", "loss"), **axes}),
        "sizes": Sweep(parameters, ("size", *axes), "parameters", {"size": ("parameters",), **axes}),
    }


def test_accuracies_and_losses_worked_by_hand() -> None:
    """Width 64 copies at no depth; at width 128 two layers do, and one of the four losses there is missing."""
    copies = np.array([[[0.4, 0.4], [0.1, 0.3]], [[0.1, 0.1], [0.5, 0.7]]])
    loss = np.array([[[2.5, 2.7], [2.4, 2.5]], [[2.0, 2.2], [1.8, np.nan]]])
    sweeps = _scores(copies, loss)
    one, two, saved = (judged(sweeps) for judged in (copying_of_one_layer, copying_of_two_layers, loss_saved_by_width))
    assert (one.value, one.n, one.facts) == (pytest.approx(0.2), 2, {"silent": (64,)})
    assert (two.value, two.null, two.facts["width"]) == (pytest.approx(0.6), pytest.approx(0.2), 128)
    assert two.facts["smallest"] == (("parameters", 6000), ("layers", 2), ("width", 128))
    assert (saved.value, saved.n) == (pytest.approx(((0.1 + 0.2) / 2 + 0.2) / 2), 3)
    assert saved.facts == {"small": 64, "large": 128}
    alone = copying_of_two_layers(_scores(np.where(copies == 0.7, np.nan, copies), loss))
    assert (alone.value, alone.n, alone.why) == (0.5, 1, "one training has no interval")
    assert copying_of_one_layer(_scores(0 * copies, loss)).why == "no training of any size copies"


def test_every_claim_is_said_under_every_verdict() -> None:
    result = published("scale", "models of nine sizes")
    for claim in SCALE.claims:
        assert len(set(texts(claim, result).values())) == 4, claim.id
    none = result.sweeps["scores"]
    nothing = replace(
        result, sweeps={**result.sweeps, "scores": replace(none, values=np.full_like(none.values, np.nan))}
    )
    for finding in SCALE.judge(nothing.sweeps):
        assert finding.text.startswith("Not judged"), finding.id
