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
from nanoscope.experiments.scale.judge import copying_of_one_layer, loss_saved_by_shape
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
    assert verdicts == {"one_layer": "supported", "shape": "supported"}
    assert result.finding("scale.one_layer").evidence.facts["silent"] == (64,)
    assert "without width 64, at which no training" in result.finding("scale.one_layer").text
    assert result.finding("scale.one_layer").evidence.facts["deeper"][0] in ("2 x 128", "2 x 256", "4 x 128", "4 x 256")
    shape = result.finding("scale.shape").evidence
    assert shape.value == pytest.approx(0.3)
    assert shape.facts["shapes"] == (("4 x 64", "1 x 256"),), (
        "1000 parameters a layer and unit of width: 4 x 64 = 1 x 256"
    )
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
    parameters = np.broadcast_to(np.array([[1000, 2100], [2000, 6000]])[:, :, None], (1, 2, 2, 2, 2)).astype(float)
    return {
        "scores": Sweep(values, ("measure", *axes), "share; nats", {"measure": ("copying accuracy", "loss"), **axes}),
        "sizes": Sweep(parameters, ("size", *axes), "parameters", {"size": ("parameters",), **axes}),
    }


def test_accuracies_and_losses_worked_by_hand() -> None:
    """Width 64 copies at no depth; at width 128 two layers do. One layer of 128 has the parameters of two of 64."""
    copies = np.array([[[0.4, 0.4], [0.1, 0.3]], [[0.1, 0.1], [0.5, 0.7]]])
    loss = np.array([[[2.5, 2.7], [2.4, 2.5]], [[2.0, 2.2], [1.8, np.nan]]])
    sweeps = _scores(copies, loss)
    one, saved = copying_of_one_layer(sweeps), loss_saved_by_shape(sweeps)
    assert (one.value, one.n) == (pytest.approx(0.2), 2)
    assert one.facts == {"silent": (64,), "deeper": ("2 x 128", pytest.approx(0.6))}
    assert (saved.value, saved.n) == (pytest.approx((0.4 + 0.3) / 2), 2)
    assert saved.facts["shapes"] == (("2 x 64", "1 x 128"),)
    unlike = {**sweeps, "sizes": replace(sweeps["sizes"], values=sweeps["sizes"].values ** 2)}
    assert loss_saved_by_shape(unlike).why == "the sizes that the claim compares were not run", "9 and 4 million"
    assert copying_of_one_layer(_scores(0 * copies, loss)).why == "no training of any size copies"


def test_a_deep_model_that_only_costs_more_gains_nothing_by_its_shape() -> None:
    """The claim can fail: a loss that depends on the number of parameters alone."""
    loss = np.array([[[2.5, 2.5], [2.0, 2.0]], [[2.0, 2.0], [1.5, 1.5]]])
    saved = loss_saved_by_shape(_scores(loss, loss))
    assert (saved.value, saved.interval) == (0, (0, 0))


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
