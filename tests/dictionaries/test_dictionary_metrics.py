"""Measures against closed forms, and against what the model does when its activation is replaced by hand."""

import math

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens
from torch.nn import functional as F

from nanoscope.dictionaries.coder import Coder, Shape
from nanoscope.dictionaries.controls import Neurons, coordinates, principal, twin
from nanoscope.dictionaries.measure import baselines
from nanoscope.dictionaries.metrics import (
    Losses,
    Moments,
    _divergence,
    density_histogram,
    fidelity,
    losses,
    max_cosines,
    mean_max_cosine,
)
from nanoscope.dictionaries.source import Pairs, Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Shrinks:
    """A dictionary whose reconstruction is known: a share of the input beyond a centre; its latents are the signs."""

    def __init__(self, share: float, centre: torch.Tensor) -> None:
        self.share, self.centre = share, centre

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return (x > 0).float()

    def rebuilt(self, x: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        return self.centre + self.share * (x - self.centre)


def test_the_fvu_of_a_shrunk_activation_is_its_closed_form_about_the_mean():
    """Keeping the share s of the distance from the mean leaves (1 - s)^2 of the variance, however far the mean is from 0."""
    y = drawn(6, 10, 4) + torch.tensor([100.0, -50.0, 0.0, 3.0])
    mean = y.mean((0, 1))
    found = fidelity(Shrinks(0.7, mean), [Pairs(y, y)])
    assert found.fvu == pytest.approx(0.3**2, rel=1e-4)
    assert found.tokens == 60
    torch.testing.assert_close(found.mean.float(), mean)
    assert fidelity(Shrinks(0.0, mean), [Pairs(y, y)]).fvu == pytest.approx(1, rel=1e-4)
    about_zero = float((0.3 * (y - mean)).square().sum() / y.square().sum())
    assert found.fvu > 100 * about_zero


def test_the_first_position_stands_apart_and_parts_do_not_matter():
    y = drawn(8, 5, 3)
    y[:, 0] *= 10
    coder = Shrinks(0.5, torch.zeros(3))
    whole, parted = fidelity(coder, [Pairs(y, y)]), fidelity(coder, [Pairs(one, one) for one in y.split(3)])
    by_hand = [
        float((0.5 * part).square().sum() / (part - part.mean(0)).square().sum())
        for part in (y.flatten(0, 1), y[:, 0], y[:, 1:].flatten(0, 1))
    ]
    for one in (whole, parted):
        assert [one.fvu, one.fvu_first, one.fvu_later] == pytest.approx(by_hand, rel=1e-4)
    assert np.array_equal(whole.density, parted.density)
    assert whole.cosine == pytest.approx(1, abs=1e-6)
    assert math.isnan(Moments.of(torch.ones(4, 2), torch.zeros(4, 2)).fvu)


def test_l0_alive_and_density_count_latents():
    x = torch.tensor([[[1.0, -1.0, -1.0], [2.0, 1.0, -3.0], [1.0, 2.0, -1.0], [1.0, -2.0, -5.0]]])
    found = fidelity(Shrinks(1.0, torch.zeros(3)), [Pairs(x, x)])
    assert (found.l0, found.alive) == (1.5, pytest.approx(2 / 3))
    assert found.density.tolist() == [1, 0.5, 0]
    counts = density_histogram(np.array([0, 0, 1.0, 0.5, 0.1, 0.099, 1e-3, 1e-9]))
    assert counts == {
        "never": 2, "1e-6 to 1e-5": 1, "1e-5 to 1e-4": 0, "1e-4 to 1e-3": 0, "1e-3 to 1e-2": 1, "1e-2 to 1e-1": 1,
        "1e-1 to 1e0": 3,
    }  # fmt: skip


def test_the_cosine_is_that_of_the_vectors():
    y = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    found = fidelity(Shrinks(0.0, torch.tensor([1.0, 1.0])), [Pairs(y, y)])
    assert found.cosine == pytest.approx(math.cos(math.pi / 4), abs=1e-6)


def test_mean_max_cosine_of_the_same_turned_and_other_directions():
    rows = F.normalize(drawn(5, 8), dim=1)
    assert mean_max_cosine(rows, 3 * rows.flip(0)) == pytest.approx(1, abs=1e-6)
    assert mean_max_cosine(torch.eye(3), torch.eye(3)[:1]) == pytest.approx(1 / 3)
    assert mean_max_cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0], [-1.0, 0.0]])) == pytest.approx(
        0.5**0.5
    )


@pytest.mark.parametrize("name", ["resid_post.1", "z.1", "z.2.1", "post.0", "mlp_out.2", "mlp.1", "resid_pre.0"])
def test_losses_are_those_of_a_forward_pass_with_the_value_put_in(name: str):
    model, source = random_model(), Source.named(name)
    windows = random_tokens(model, 10, 12)
    inputs, targets = windows[:, :-1], windows[:, 1:]
    d_in, d_out = source.widths(model)
    coder = Coder(Shape("topk", d_in, d_out, 9, 2)).requires_grad_(False)
    for number, parameter in enumerate(coder.parameters()):
        parameter.copy_(drawn(*parameter.shape, seed=number))
    mean = drawn(d_out, seed=20)
    found = losses(model, windows.split(3), {"own": (source, coder)}, mean)["own"]

    x, y = source.read(model, inputs)
    log_p = run(model, inputs).logits.log_softmax(-1)

    def loss(value: torch.Tensor) -> tuple[float, torch.Tensor]:
        shaped = source.shaped(value.expand(len(windows), 11, d_out), model)
        logits = run(model, inputs, [Edit(source.site, shaped)]).logits
        return float(F.cross_entropy(logits.flatten(0, 1), targets.flatten())), logits.log_softmax(-1)

    assert found.model == pytest.approx(loss(y)[0], rel=1e-5)
    assert found.zero == pytest.approx(loss(torch.zeros(d_out))[0], rel=1e-5)
    assert found.mean == pytest.approx(loss(mean)[0], rel=1e-5)
    replaced, log_q = loss(coder(x))
    assert found.replaced == pytest.approx(replaced, rel=1e-5)
    assert found.kl == pytest.approx(float((log_p.exp() * (log_p - log_q)).sum(-1).mean()), rel=1e-4)


def test_a_perfect_dictionary_costs_nothing_and_recovers_all():
    model, source = random_model(), Source.named("resid_post.1")
    windows = random_tokens(model, 10, 12)
    coders = {"all": (source, Shrinks(1.0, torch.zeros(16))), "none": (source, Shrinks(0.0, torch.zeros(16)))}
    found = losses(model, [windows], coders, torch.zeros(16))["all"]
    assert found.change == pytest.approx(0, abs=1e-6)
    assert found.kl == pytest.approx(0, abs=1e-6)
    assert found.recovered(found.zero) == pytest.approx(1, abs=1e-5)
    assert found.zero == pytest.approx(found.mean)
    nothing = losses(model, [windows], coders, torch.ones(16))["none"]
    assert nothing.recovered(nothing.zero) == pytest.approx(0, abs=1e-5)


def test_the_share_recovered_is_its_formula():
    found = Losses(model=1.0, replaced=1.5, zero=6.0, mean=2.0, kl=0.4)
    assert (found.change, found.recovered(found.zero), found.recovered(found.mean)) == (0.5, 0.9, 0.5)
    assert math.isnan(found.recovered(1.0))


# ---- controls ------------------------------------------------------------------------------------------------------


def test_principal_components_explain_the_spectrum_and_all_of_them_everything():
    x = drawn(4000, 6) * torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5, 0.2]) @ torch.linalg.qr(drawn(6, 6, seed=1)).Q + 7
    variances = torch.linalg.svdvals(x - x.mean(0)).square()
    for k in (1, 3):
        found = fidelity(principal(x, k), [Pairs(x[None], x[None])])
        fixed = float(variances[k:].sum() / variances.sum())
        assert found.fvu <= fixed + 1e-6
        assert found.l0 == pytest.approx(k, abs=1e-3)
    assert fidelity(principal(x, 6), [Pairs(x[None], x[None])]).fvu < 1e-6


def test_coordinates_are_those_furthest_from_their_mean():
    x = torch.tensor([[10.0, 1.0, 5.0], [10.0, -1.0, -5.0]])
    coder = coordinates(x, 1)
    assert coder(x).tolist() == [[10, 0, 5], [10, 0, -5]]


def test_all_neurons_are_the_mlp_and_none_its_mean():
    model = random_model(bias=True)
    mlp, source = model.blocks[1].mlp, Source.named("mlp.1")
    assert mlp is not None
    x, y = (one.flatten(0, 1) for one in source.read(model, random_tokens(model, 20, 20)))
    every, few = Neurons.of(mlp, x, 64), Neurons.of(mlp, x, 5)
    torch.testing.assert_close(every.rebuilt(x, every.encode(x)), y, atol=1e-4, rtol=1e-4)
    found = fidelity(few, [Pairs(x[None], y[None])])
    assert found.l0 == 5
    assert 0 < found.fvu < 1
    torch.testing.assert_close(few.decode(torch.zeros(len(few.mean))), y.mean(0), atol=1e-4, rtol=1e-4)


def test_a_twin_has_the_shape_and_nothing_else():
    model = random_model()
    one, again, other = twin(model, 1), twin(model, 1), twin(model, 2)
    assert isinstance(one, GPT)
    assert one.config == model.config
    first, second, third, ours = (each.blocks[0].attn.c_attn.weight for each in (one, again, other, model))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert not torch.equal(first, ours)


def test_the_divergence_is_its_closed_form():
    """KL of (1/2, 1/2) from (1/4, 3/4), at each of three tokens; logits may be shifted."""
    logits = torch.zeros(1, 3, 2) + 5
    others = torch.tensor([0.25, 0.75]).log().expand(1, 3, 2) - 7
    assert _divergence(logits, others) == pytest.approx(3 * (0.5 * math.log(2) + 0.5 * math.log(2 / 3)), rel=1e-5)
    assert _divergence(logits, logits) == pytest.approx(0, abs=1e-7)


def test_max_cosines_are_those_of_the_nearest_direction():
    found = max_cosines(torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([[3.0, 0.0], [-1.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5**0.5, 0.5**0.5]))


def test_the_components_beside_a_transcoder_are_those_of_what_it_must_predict():
    model, source = random_model(), Source.named("mlp.1")
    read = source.read(model, random_tokens(model, 40, 20))
    seen = Pairs(*(one.flatten(0, 1) for one in read))
    coder = Coder(Shape("topk", 16, 16, 9, 3)).requires_grad_(False)
    beside = baselines(Dictionary(coder, source), model, seen)
    assert list(beside) == ["principal components", "neurons"]
    reads, components = beside["principal components"]
    assert str(reads) == "mlp_out.1"
    x, y = reads.read(model, random_tokens(model, 40, 20))
    torch.testing.assert_close(x.flatten(0, 1), seen.y)
    variances = torch.linalg.svdvals(seen.y - seen.y.mean(0)).square()
    assert fidelity(components, [Pairs(x, y)]).fvu <= float(variances[3:].sum() / variances.sum()) + 1e-6
