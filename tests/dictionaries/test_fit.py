"""Training: a planted dictionary is found again, dead latents come back, and an interrupted training goes on bit for bit."""

import json
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nanoscope.dictionaries import fit as training
from nanoscope.dictionaries.coder import KINDS, Coder, starting
from nanoscope.dictionaries.fit import FitProgress, Job, fit, fit_together
from nanoscope.dictionaries.metrics import Fidelity, fidelity, mean_max_cosine
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Pairs
from nanoscope.errors import Interrupted
from nanoscope.experiments.features.known import RECIPE, PlantedFeatures

TINY = Recipe("topk", 24, 3, tokens=64 * 40, batch=64, dead_after=400)


@dataclass(frozen=True)
class Mapped(PlantedFeatures):
    """Targets that are another sum of the same features: what a transcoder learns."""

    def filling(self, number: int) -> Pairs:
        x, _ = super().filling(number)
        turn = torch.linalg.qr(torch.randn(self.d, self.d, generator=torch.Generator().manual_seed(1))).Q
        return Pairs(x, 3 * x @ turn + 1)


def of(coder: Coder, stream: PlantedFeatures) -> Fidelity:
    """What it explains of tokens that it was not trained on."""
    x, y = stream.filling(10_000)
    return fidelity(coder, [Pairs(x[None], y[None])])


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "jumprelu"])
def test_a_planted_dictionary_is_found_again(kind, tmp_path: Path):
    stream = PlantedFeatures()
    coder = fit(stream, replace(RECIPE, kind=kind), tmp_path)
    assert mean_max_cosine(stream.directions, coder.W_dec) > 0.95
    torch.testing.assert_close(coder.W_dec.norm(dim=1), torch.ones(96))
    assert of(coder, stream).l0 == pytest.approx(3, rel=0.15)
    assert float(coder.threshold.min()) >= 0, "below 0 a latent that is 0 counts as active"


def test_other_directions_are_not_found(tmp_path: Path):
    """The same measure on a dictionary of other data: what a cosine of 0.95 must be compared with."""
    stream = PlantedFeatures()
    elsewhere = replace(RECIPE, tokens=50_000)
    coder = fit(PlantedFeatures(features=300), elsewhere, tmp_path)
    assert mean_max_cosine(stream.directions, coder.W_dec) < 0.7


def test_relu_with_a_price_finds_it_too_and_shrinks_what_it_finds(tmp_path: Path):
    stream = PlantedFeatures()
    coder = fit(stream, replace(RECIPE, kind="relu", tokens=300_000), tmp_path)
    assert mean_max_cosine(stream.directions, coder.W_dec) > 0.95
    x, _ = stream.filling(10_000)
    assert float((coder(x) * x).sum() / x.square().sum()) < 1  # an L1 price pulls every latent towards 0 (Wright 2024)


def test_a_transcoder_is_the_same_coder_with_another_target(tmp_path: Path):
    """Twice as many latents as features: of an untied start with as many, some features stay merged in one latent."""
    stream = Mapped()
    coder = fit(stream, replace(RECIPE, latents=192, tokens=300_000, batch=256), tmp_path, tied=False)
    turn = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1))).Q
    assert mean_max_cosine(stream.directions @ turn, coder.W_dec) > 0.95
    assert of(coder, stream).fvu < 0.25


def test_with_as_many_latents_as_coordinates_all_kept_training_loses_almost_nothing(tmp_path: Path):
    """k = M = D: nothing is left out, so the squared error has its minimum at 0 (why: test_coder)."""
    stream = PlantedFeatures(features=16, d=16, tokens=2048)
    coder = fit(stream, replace(RECIPE, latents=16, k=16, tokens=400_000, batch=256), tmp_path)
    assert of(coder, stream).fvu < 0.01


def test_batchtopks_threshold_keeps_as_many_as_training_did(tmp_path: Path):
    lines: list[FitProgress] = []
    coder = fit(PlantedFeatures(), replace(RECIPE, kind="batchtopk", tokens=200_000), tmp_path, told=lines.append)
    assert lines[-1].l0 == pytest.approx(3, abs=1e-6)
    assert of(coder, PlantedFeatures()).l0 == pytest.approx(3, rel=0.05)
    assert len(coder.threshold.unique()) == 1


def test_dead_latents_come_back(tmp_path: Path):
    """Half of the latents are made deaf by their biases; with the auxiliary loss they are heard again."""
    alive = {}
    for weight in (0.0, 1 / 32):
        folder, recipe = tmp_path / str(weight), replace(RECIPE, tokens=150_000, dead_after=5_000, aux_weight=weight)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "starting", half_deaf)
            coder = fit(PlantedFeatures(), recipe, folder)
        alive[weight] = of(coder, PlantedFeatures()).alive
    assert alive[0.0] < 0.55
    assert alive[1 / 32] > 0.9


def half_deaf(*arguments) -> Coder:
    coder = starting(*arguments)
    with torch.no_grad():
        coder.b_enc[::2] = -1.0
    return coder


# ---- stopping and going on -----------------------------------------------------------------------------------------


class Killed(Exception):
    """Raised where a process would have been killed."""


@dataclass(frozen=True)
class KilledAt(PlantedFeatures):
    """The same activations, until a filling during which the process is killed."""

    killed: int = 0

    def filling(self, number: int) -> Pairs:
        if number == self.killed:
            raise Killed
        return super().filling(number)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_bit_for_bit(kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe, small = replace(TINY, kind=kind), {"tokens": 256, "d": 12}
    whole = fit(PlantedFeatures(**small), recipe, tmp_path / "whole")
    monkeypatch.setattr(training, "SAVED_EVERY", 0.0)
    for killed in (3, 7):
        with pytest.raises(Killed):
            fit(KilledAt(killed=killed, **small), recipe, tmp_path / "parts")
        assert [path.name for path in (tmp_path / "parts").glob("resume_*")] == [f"resume_{4 * killed:08d}"]
    resumed = fit(PlantedFeatures(**small), recipe, tmp_path / "parts")
    for name, value in whole.named_parameters():
        assert torch.equal(value, resumed.state_dict()[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "progress.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))


def test_in_the_middle_of_a_filling_too_and_ctrl_c_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {"tokens": 256, "d": 12}
    whole = fit(PlantedFeatures(**small), TINY, tmp_path / "whole")

    def stop(now: FitProgress) -> None:
        if now.step == 22:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="22 of 40 steps are kept, and the same command goes on"):
        fit(PlantedFeatures(**small), TINY, tmp_path / "parts", told=stop)
    resumed = fit(PlantedFeatures(**small), TINY, tmp_path / "parts")
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.named_parameters())


def test_side_by_side_each_ends_as_it_would_alone_and_goes_on_after_an_interruption(tmp_path: Path):
    """Trainings of other lengths, on other streams, stopped in the middle of one's filling."""
    streams = (PlantedFeatures(tokens=256, d=12), PlantedFeatures(tokens=256, d=10, features=30))
    recipes = (TINY, replace(TINY, tokens=64 * 20, seed=2))
    alone = [fit(one, how, tmp_path / f"{at}") for at, (one, how) in enumerate(zip(streams, recipes, strict=True))]
    jobs = [Job(one, how, tmp_path / f"job {at}") for at, (one, how) in enumerate(zip(streams, recipes, strict=True))]

    def stop(now: FitProgress) -> None:
        if (now.step, now.steps) == (14, 20):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="30 of 60 steps are kept"):
        fit_together(jobs, stop)
    for one, other in zip(fit_together(jobs), alone, strict=True):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.named_parameters())


def test_another_seed_is_another_dictionary_and_the_same_seed_the_same(tmp_path: Path):
    stream = PlantedFeatures(tokens=256, d=12)
    coders = [fit(stream, replace(TINY, seed=seed), tmp_path / str(at)) for at, seed in enumerate((1, 1, 2))]
    assert torch.equal(coders[0].W_dec, coders[1].W_dec)
    assert not torch.allclose(coders[0].W_dec, coders[2].W_dec)


class Largest(TorchDispatchMode):
    """Notes the largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor):
                self.numbers = max(self.numbers, one.untyped_storage().nbytes() // 4)
        return made


def test_memory_does_not_grow_with_the_training_or_with_batch_times_latents(tmp_path: Path):
    """The largest array is the buffer: per token only the chosen latents are ever together in memory."""
    stream, largest = PlantedFeatures(tokens=4096, d=12, features=24), []
    for at, tokens in enumerate((4096 * 2, 4096 * 4)):
        with Largest() as noted:
            fit(stream, replace(TINY, latents=64, tokens=tokens, batch=4096), tmp_path / str(at))
        largest.append(noted.numbers)
    assert (
        largest[0] == largest[1] <= 4096 * 24
    )  # drawing the planted activations themselves; batch x latents is 4096 x 64
