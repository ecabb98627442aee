"""Coders: gradients against dense twins and formulas, folding, what the largest dictionary must explain."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries.coder import KINDS, Coder, Scale, Shape, folded, starting
from nanoscope.dictionaries.objective import Recipe, objective, revival
from nanoscope.dictionaries.sparse import decoded, encoded, jump, top_of_all, top_of_each
from nanoscope.errors import NanoscopeError

NONE = torch.zeros(0, dtype=torch.long)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_coder(shape: Shape, seed: int = 0) -> Coder:
    coder = starting(shape, tied=False, seed=seed)
    with torch.no_grad():
        for number, parameter in enumerate(coder.parameters()):
            parameter.add_(0.1 * drawn(*parameter.shape, seed=number + 10))
        coder.with_unit_decoder()
        coder.threshold.abs_().mul_(shape.kind in ("batchtopk", "jumprelu"))
    return coder


@pytest.mark.parametrize("choose", [top_of_each, top_of_all])
def test_sparse_products_and_their_gradients_are_the_dense_ones(choose):
    x, W, b, V = drawn(20, 6), drawn(9, 6, seed=1), drawn(9, seed=2), drawn(9, 5, seed=3)
    leaves = [[one.clone().requires_grad_() for one in (W, b, V)] for _ in range(2)]
    choice = choose(F.linear(x, W, b), 3)
    mask = torch.zeros(20, 9).index_put_((choice.tokens, choice.latents), torch.ones(()))
    assert mask.sum() == 60
    sparse = decoded(encoded(x, *leaves[0][:2], choice).clamp(min=0), leaves[0][2], choice)
    dense = (F.linear(x, *leaves[1][:2]).clamp(min=0) * mask) @ leaves[1][2]
    weight = drawn(20, 5, seed=4)
    for one in (sparse, dense):
        (one * weight).sum().backward()
    torch.testing.assert_close(sparse, dense)
    for ours, theirs in zip(*leaves, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_batch_chooses_its_largest_and_a_token_may_have_none():
    pre = torch.tensor([[5.0, 4.0, 3.0], [2.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
    choice = top_of_all(pre, 1)
    assert choice.latents.tolist() == [0, 1, 2]
    assert choice.tokens.tolist() == [0, 0, 0]
    table = torch.eye(3)
    assert decoded(pre[choice.tokens, choice.latents], table, choice).tolist() == [[5, 4, 3], [0, 0, 0], [0, 0, 0]]


def test_the_gradient_of_a_jump_is_its_formula():
    eps = 0.5
    z, theta = torch.tensor([[0.9, 2.0], [1.2, 0.4], [3.0, 0.55]]), torch.tensor([1.0, 0.5])
    z.requires_grad_()
    theta.requires_grad_()
    value, step = jump(z, theta, eps)
    assert value.tolist() == [[0, 2], [pytest.approx(1.2), 0], [3, pytest.approx(0.55)]]
    assert step.tolist() == [[0, 1], [1, 0], [1, 1]]
    by_value, by_step = drawn(3, 2), drawn(3, 2, seed=1)
    ((value * by_value) + (step * by_step)).sum().backward()
    near = ((z - theta).abs() < eps / 2).detach()
    assert near.tolist() == [[True, False], [True, True], [False, True]]
    formula = -(near * (theta / eps * by_value + by_step / eps)).sum(0)
    torch.testing.assert_close(theta.grad, formula.detach())
    torch.testing.assert_close(z.grad, (by_value * (z > theta)).detach())


def test_a_jumps_gradient_is_that_of_the_expected_loss():
    """Averaged over inputs of density p = 1/2, of `E f^2 / 2 + E 1[z > theta]` by the threshold: -theta^2 p / 2 - p."""
    z = torch.linspace(0, 2, 200_001)[:, None]
    theta = torch.tensor([0.7], requires_grad=True)
    value, step = jump(z, theta, 0.05)
    (value.square().mean() / 2 + step.mean()).backward()
    assert theta.grad is not None
    assert float(theta.grad) == pytest.approx(-(0.7**2) / 4 - 1 / 2, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skip", [False, True])
def test_folding_the_scale_changes_no_reconstruction(kind, skip):
    coder = random_coder(Shape(kind, 6, 5, 12, 3, skip))
    x = 7 * drawn(40, 6) + 3
    source, target = Scale.of(x), Scale(drawn(5, seed=5), torch.tensor(2.5))
    raw = folded(coder, source, target)
    scaled = (x - source.mean) / source.size
    torch.testing.assert_close(raw.encode(x), coder.encode(scaled) * target.size, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(raw(x), coder(scaled) * target.size + target.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(raw.W_dec.norm(dim=1), torch.ones(12))


def test_scaled_activations_have_mean_0_and_length_1():
    x = 5 * drawn(5000, 8) + 2
    scaled = Scale.of(x).apply(x)
    assert scaled.mean(0).abs().max() < 1e-5
    assert float(scaled.square().sum(1).mean()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(NanoscopeError, match="never varies"):
        Scale.of(torch.ones(5, 3))


def test_with_as_many_latents_as_coordinates_all_kept_nothing_is_lost():
    """k = M = D leaves out nothing. With biases so large that no latent is negative the coder is affine, and D independent
    directions span the space: W_dec inverts W_enc, and the decoder's bias takes the encoder's back."""
    coder, x = Coder(Shape("topk", 8, 8, 8, 8)), drawn(500, 8)
    turn = torch.linalg.qr(drawn(8, 8, seed=1)).Q
    with torch.no_grad():
        coder.W_enc.copy_(turn)
        coder.W_dec.copy_(turn)
        coder.b_enc.fill_(10.0)
        coder.b_dec.copy_(-10.0 * turn.sum(0))
        assert float((coder(x) - x).square().sum() / (x - x.mean(0)).square().sum()) < 1e-9


@pytest.mark.parametrize("kind", ["topk", "batchtopk"])
def test_the_loss_that_is_trained_is_that_of_the_coder(kind):
    coder, x = random_coder(Shape(kind, 6, 6, 12, 3)), drawn(64, 6)
    step = objective(coder, x, x, NONE, Recipe(kind, 12, 3, batch=64), 1.0)
    with torch.no_grad():
        if kind == "batchtopk":
            coder.threshold.fill_(step.least * (1 - 1e-6))
        expected = (x - coder(x)).square().sum(1).mean()
        active = (coder.encode(x) > 0).float()
    torch.testing.assert_close(step.loss.detach(), expected)
    assert step.error == pytest.approx(float(expected))
    assert step.active == pytest.approx(float(active.sum(1).mean()))
    assert step.fired.tolist() == (active.sum(0) > 0).tolist()


def test_the_prices_of_activity_are_their_formulas():
    x = drawn(64, 6)
    for kind in ("jumprelu", "relu"):
        coder = random_coder(Shape(kind, 6, 6, 12, 3))
        recipe = Recipe(kind, 12, 3, penalty=0.3)
        free, priced = (float(objective(coder, x, x, NONE, recipe, ramp).loss.detach()) for ramp in (0.0, 0.5))
        coder.requires_grad_(False)
        f = coder.encode(x)
        price = ((f > 0).sum() / 64 / 3 - 1) ** 2 if kind == "jumprelu" else f.sum() / 64
        assert priced - free == pytest.approx(0.5 * 0.3 * float(price), rel=1e-4)
        assert float((x - coder(x)).square().sum(1).mean()) == pytest.approx(free, rel=1e-5)


def test_revival_is_the_share_that_dead_latents_leave_and_moves_them_alone():
    coder, x = random_coder(Shape("topk", 6, 6, 12, 3)), drawn(64, 6)
    dead = torch.tensor([2, 7])
    left = drawn(64, 6, seed=9)
    share = revival(coder, x, left, dead)
    f = coder.pre(x)[:, dead]
    torch.testing.assert_close(share, (left - f @ coder.W_dec[dead]).square().sum() / left.square().sum())
    share.backward()
    for weights in (coder.W_enc, coder.W_dec):
        assert weights.grad is not None
        assert weights.grad.abs().sum(1).nonzero().flatten().tolist() == [2, 7]
    assert float(revival(coder, x, left, NONE)) == float(revival(coder, x, torch.zeros(64, 6), dead)) == 0


def test_without_its_parallel_part_a_gradient_turns_rows_and_keeps_their_length():
    coder = random_coder(Shape("topk", 6, 6, 12, 3))
    coder.W_dec.grad = drawn(12, 6)
    coder.without_parallel_gradient()
    assert (coder.W_dec.grad * coder.W_dec).sum(1).abs().max() < 1e-6
    torch.testing.assert_close(coder.W_dec.norm(dim=1), torch.ones(12))


def test_an_autoencoder_starts_tied_and_a_transcoder_does_not():
    shape = Shape("topk", 6, 6, 12, 3)
    tied, free = starting(shape, True, 1), starting(shape, False, 1)
    assert torch.equal(tied.W_enc, tied.W_dec)
    assert not torch.allclose(free.W_enc, free.W_dec)
    assert torch.equal(tied.W_dec, free.W_dec)


@pytest.mark.parametrize("wrong", [{"k": 13}, {"k": 0}, {"latents": 0}])
def test_a_shape_that_cannot_be_is_refused(wrong):
    with pytest.raises(NanoscopeError):
        Shape(**({"kind": "topk", "d_in": 6, "d_out": 6, "latents": 12, "k": 3} | wrong))
