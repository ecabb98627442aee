"""The planted model: every number that is known in advance, and every method's verdict on it."""

import math

import numpy as np
import pytest
import torch

from nanoscope.analysis.attention import composition, repeated_sequences
from nanoscope.analysis.causal import head_ablation, patching
from nanoscope.analysis.prediction import behaviour, direct_attribution, logit_lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.interventions.run import run
from nanoscope.model.folded import head_weights
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.tasks import metrics, synthetic
from nanoscope.text.vocabulary import Vocabulary

SYMBOLS = torch.arange(65)
START = 65
PREVIOUS, INDUCTION = (0, 0), (1, 0)


def _permutations(model, examples: int = 8) -> torch.Tensor:
    """`[start] c c` with c a permutation of all symbols but the start."""
    symbols = model.config.vocab_size - 1
    blocks = torch.stack([torch.randperm(symbols, generator=torch.Generator().manual_seed(i)) for i in range(examples)])
    return torch.cat([torch.full((examples, 1), symbols), blocks, blocks], dim=1)


@pytest.mark.parametrize("symbols", [16, 65])
def test_attention_and_accuracy(symbols: int) -> None:
    model = planted_induction(
        Vocabulary(tuple(map(chr, range(100, 100 + symbols)))), Planted(context=2 * symbols + 1)
    ).model
    tokens = _permutations(model)
    logits, cache = run(model, tokens, keep=["pattern"])
    previous, induction = cache["pattern", 0][:, 0], cache["pattern", 1][:, 0]
    assert previous.diagonal(offset=-1, dim1=1, dim2=2).min() > 1 - 2e-4
    second = torch.arange(symbols + 1, 2 * symbols)
    assert induction[:, second, second - symbols + 1].min() > 1 - 2e-4
    first = torch.arange(1, symbols + 1)
    assert induction[:, first, 0].min() > 1 - 2e-4
    assert (logits[:, second].argmax(-1) == tokens[:, second + 1]).all()


def _attention_to_match(sharpness: float, query: int) -> float:
    """Closed form of L1H0's attention to the matching position, at query position `query`, for finite sharpness."""
    return math.exp(sharpness) / (math.exp(sharpness) + math.exp(sharpness / 2) + query - 1)


def test_finite_sharpness_has_its_closed_form() -> None:
    vocabulary = Vocabulary(tuple(map(chr, range(100, 116))))
    model = planted_induction(vocabulary, Planted(sharpness_induction=6.0, context=33)).model
    pattern = run(model, _permutations(model), keep=["pattern"]).cache["pattern", 1][:, 0]
    for query, expected in ((17, 0.91790), (20, 0.91167), (31, 0.88956)):
        assert _attention_to_match(6.0, query) == pytest.approx(expected, abs=1e-5)
        assert pattern[:, query, query - 15].numpy() == pytest.approx(expected, abs=3e-4)


@pytest.mark.parametrize(("symbols", "expected"), [(16, 0.153393), (65, 0.077850)])
def test_k_composition_has_its_closed_form(symbols: int, expected: float) -> None:
    model = planted_induction(Vocabulary(tuple(map(chr, range(100, 100 + symbols))))).model
    scores = composition.composition(head_weights(model)).sel(way="K").values[0, :, 1]
    assert 1 / math.sqrt(2.5 * (symbols + 1)) == pytest.approx(expected, abs=1e-6)
    assert scores[0, 0] == pytest.approx(expected, abs=1e-5)
    assert (scores[[0, 1, 1], [1, 0, 1]] == 0).all()


def test_head_scores_at_every_length(planted: Checkpoint) -> None:
    for length in synthetic.lengths_that_fit(128, 65):
        sequences = synthetic.repeated_sequences(SYMBOLS, length, 129, 4, START, "test")
        scores = repeated_sequences.attention_scores(planted.model, sequences).mean("example")
        assert scores.sel(score="induction").values[INDUCTION] == pytest.approx(1.0, abs=2e-4)
        assert scores.sel(score="previous").values[PREVIOUS] == pytest.approx(1.0, abs=2e-4)
        assert scores.sel(score="duplicate").values.max() < 0.1
        others = [scores.sel(score="induction").values[h] for h in ((0, 0), (0, 1), (1, 1))]
        assert max(others) < 0.1


def test_copying_scores(planted: Checkpoint) -> None:
    scores = composition.copying_scores(head_weights(planted.model)).values
    assert scores[INDUCTION] == pytest.approx(1.0, abs=1e-6)
    assert scores[0, 1] == scores[1, 1] == 0


def test_accidental_repeats_split_an_ideal_heads_attention(planted: Checkpoint) -> None:
    """Why blocks are drawn without replacement: with i.i.d. symbols each match gets an equal share, and no more."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randint(65, (20, 64), generator=generator)
    tokens = torch.cat([torch.full((20, 1), START), block, block], dim=1)
    pattern = run(planted.model, tokens, keep=["pattern"]).cache["pattern", 1][:, 0]
    shares = []
    for row, attention in zip(tokens, pattern, strict=True):
        for query in range(65, 129):
            matches = int((row[:query] == row[query]).sum())
            assert attention[query, query - 63].item() == pytest.approx(1 / matches, abs=1e-3)
            shares.append(1 / matches)
    assert np.mean(shares) < 0.65


def test_ablating_either_head_destroys_everything(planted: Checkpoint) -> None:
    task = synthetic.copy_task(SYMBOLS, 17, 8, "test", start=START)
    reference = synthetic.copy_task(SYMBOLS, 17, 8, "reference", start=START).corrupt
    sets = [(), (PREVIOUS,), (INDUCTION,), ((0, 1), (1, 1))]
    for kind in ("zero", "mean"):
        kept = head_ablation.without_heads(planted.model, task, metrics.accuracy, sets, reference, kind)  # pyright: ignore
        assert kept.sel(run="clean").mean("example").values.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_patching_shows_a_chain_whose_end_is_enough(planted: Checkpoint) -> None:
    task = synthetic.copy_task(SYMBOLS[:56], 17, 16, "test", start=START)
    effect = patching.exact(planted.model, task, metrics.logit_diff, patching.heads(planted.model, task)).effect
    assert effect.sel(direction="noise").values == pytest.approx(np.array([[1, 0], [1, 0]]), abs=0.05)
    assert effect.sel(direction="denoise").values == pytest.approx(np.array([[0, 0], [1, 0]]), abs=0.05)
    both = [Site("z", layer, head=head) for layer, head in (PREVIOUS, INDUCTION)]
    together = patching.exact(planted.model, task, metrics.logit_diff, patching.sets([both])).effect
    assert together.values == pytest.approx(1.0, abs=1e-5)


def test_patching_by_position_follows_the_circuit(planted: Checkpoint) -> None:
    """Into L0 both tokens matter, into L1 the place that followed, at the output the query: each an exact 0 or 1."""
    task = synthetic.copy_task(SYMBOLS[:56], 17, 6, "test", start=START, reads=[8])
    query = int(task.positions[0, 0])
    effect = patching.exact(
        planted.model, task, metrics.logit_diff, patching.residual_stream(planted.model, task)
    ).effect
    noise, denoise = effect.sel(direction="noise"), effect.sel(direction="denoise")
    expected = {0: {query - 17, query - 16}, 1: {query - 16}, 2: {query}}
    for layer, places in expected.items():
        found = [p for p, x in zip(noise.labels("pos"), noise.sel(layer=layer).values, strict=True) if abs(x) > 0.05]
        assert set(found) == places
        assert noise.sel(layer=layer).values.max() == pytest.approx(1.0, abs=0.05)
    assert denoise.sel(layer=0).values.max() < 0.05
    assert denoise.sel(layer=1, pos=query - 16).values == pytest.approx(1.0, abs=1e-5)


def test_the_lens_and_direct_attribution_name_the_head(planted: Checkpoint) -> None:
    task = synthetic.copy_task(SYMBOLS, 17, 8, "test", start=START)
    top = logit_lens.on_task(planted.model, task).sel(measure="answer_is_top").values.mean((1, 2))
    assert top.tolist() == [0.0, 0.0, 1.0]
    direct = direct_attribution.logit_difference(planted.model, task)
    parts = direct.contributions.mean("example")
    named = dict(zip(parts.labels("component"), parts.values, strict=True))
    total = sum(named.values())
    assert named["L1H0"] == pytest.approx(total, rel=1e-5)
    assert direct.unexplained < 1e-6


def test_it_is_a_nanogpt(planted: Checkpoint, tmp_path) -> None:
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.checkpoints.exports import export

    export(planted, tmp_path / "ckpt.pt")
    again = load(tmp_path / "ckpt.pt")
    tokens = _permutations(planted.model)[:, :100]
    assert torch.equal(run(again.model, tokens).logits, run(planted.model, tokens).logits)


def test_behaviour_is_perfect_only_with_a_copy(planted: Checkpoint) -> None:
    task = synthetic.copy_task(SYMBOLS[:56], 17, 16, "test", start=START)
    accuracy = behaviour.on_task(planted.model, task).sel(measure="accuracy").mean("example").values
    assert accuracy.tolist() == [1.0, 0.0]
    assert math.isclose(behaviour.on_task(planted.model, synthetic.shuffled(task, 17)).values[0, 0].mean(), 1.0)
