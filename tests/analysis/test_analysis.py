"""Analyses on random models: identities, slow twins, and values at both ends."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.attention import composition, repeated_sequences
from nanoscope.analysis.causal import head_ablation, patching
from nanoscope.analysis.prediction import behaviour, direct_attribution, logit_lens
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import add
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.folded import fold, head_weights
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.model.unembedding import head_writes
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.task import Task
from nanoscope.text.ngrams import NGrams


def _model(**changes) -> GPT:
    return random_model(vocab_size=40, block_size=48, **changes)


def _task(examples: int = 6, **options) -> Task:
    return synthetic.copy_task(torch.arange(40), 11, examples, "test", **options)


# ---- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"bias": True}, {"tied_head": False, "head_bias": True}, {"attention_only": True}]
)
def test_folding_changes_no_probability(changes: dict) -> None:
    model = random_model(**changes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tokens = random_tokens(model)
    one, other = (metrics.log_probs(run(m, tokens).logits) for m in (model, fold(model)))
    assert (one - other).abs().max() < 1e-4
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_folded_norms_only_centre_and_scale() -> None:
    folded = fold(random_model(bias=True))
    for name, value in folded.state_dict().items():
        if ".ln_" in name:
            assert (value == (1 if name.endswith("weight") else 0)).all()
    assert folded.wte.weight.mean(1).abs().max() < 1e-6


def test_head_matrices_are_the_heads() -> None:
    """Row convention: q = x W_Q, and the heads' writes sum to the layer's output."""
    model = random_model()
    w = head_weights(model)
    cache = run(model, random_tokens(model), keep=["resid_pre", "q", "v", "z", "attn_out"]).cache
    x = torch.nn.functional.layer_norm(cache["resid_pre", 1], (16,), model.blocks[1].ln_1.weight)
    torch.testing.assert_close(torch.einsum("bpd,hdk->bphk", x, w.W_Q[1]), cache["q", 1])
    torch.testing.assert_close(torch.einsum("bpd,hdk->bphk", x, w.W_V[1]), cache["v", 1])
    torch.testing.assert_close(torch.einsum("bphk,hkd->bpd", cache["z", 1], w.W_O[1]), cache["attn_out", 1])


def test_copying_score_equals_its_definition() -> None:
    w = head_weights(fold(random_model()))
    values = torch.linalg.eigvals((w.W_E @ w.W_V[1, 0] @ w.W_O[1, 0] @ w.W_U).double())
    expected = (values.sum().real / values.abs().sum()).item()
    assert composition.copying_scores(w).values[1, 0] == pytest.approx(expected, abs=1e-4)


def test_the_copying_null_has_its_known_spread() -> None:
    """Gaussian heads between Gaussian tied embeddings at the canonical shape: sd 0.0345."""
    torch.manual_seed(0)
    null = composition.copying_null(head_weights(fold(GPT(GPTConfig(n_layer=1)))), 150, "test").values
    assert null.std() == pytest.approx(0.0345, rel=0.2)
    assert abs(null.mean()) < 0.01


def test_effective_embeddings_of_the_first_layer_are_tokens_with_mean_positions() -> None:
    """Each token everywhere equally often: its mean stream is its embedding plus the mean position."""
    model = _model()
    tokens = torch.stack([torch.arange(40).roll(i) for i in range(40)])
    effective = composition.copying_scores(composition.as_read(fold(model), 0, tokens)).values[0]
    w = head_weights(fold(model))
    centred = w.W_E - w.W_E.mean(0)
    values = [torch.linalg.eigvals((centred @ w.W_V[0, h] @ w.W_O[0, h] @ w.W_U).double()) for h in range(2)]
    assert effective == pytest.approx([(v.sum().real / v.abs().sum()).item() for v in values], abs=1e-3)


# ---- heads ---------------------------------------------------------------------------------------------------------


def test_scores_equal_loops_over_their_definitions() -> None:
    model = _model()
    sequences = synthetic.repeated_sequences(torch.arange(40), 7, 48, 5, None, "test")
    scores = repeated_sequences.attention_scores(model, sequences)
    pattern = run(model, sequences.tokens, keep=["pattern"]).cache["pattern", 1][:, 0].numpy()
    for e in range(5):
        first, last = int(sequences.first[e]), int(sequences.first[e]) + 7 * sequences.copies
        queries = range(first + 7, last)
        induction = [sum(pattern[e, i, i - 7 * k + 1] for k in range(1, (i - first) // 7 + 1)) for i in queries]
        duplicate = [sum(pattern[e, i, i - 7 * k] for k in range(1, (i - first) // 7 + 1)) for i in queries]
        expected = {
            "induction": np.mean(induction),
            "induction_last": np.mean([pattern[e, i, i - 6] for i in queries]),
            "duplicate": np.mean(duplicate),
            "previous": np.mean([pattern[e, i, i - 1] for i in range(1, sequences.tokens.shape[1])]),
        }
        for name, value in expected.items():
            assert scores.sel(score=name).values[1, 0, e] == pytest.approx(value, abs=1e-6)


def test_uniform_attention_scores_the_uniform_baseline() -> None:
    model = _model()
    for block in model.blocks:
        block.attn.c_attn.weight[:32] = 0
    sequences = synthetic.repeated_sequences(torch.arange(40), 11, 48, 5, None, "test")
    scores, base = repeated_sequences.attention_scores(model, sequences), repeated_sequences.uniform_scores(sequences)
    assert np.abs(scores.values - base.values[:, None, None]).max() < 1e-6
    assert np.abs(repeated_sequences.above_uniform(scores, base).values).max() < 1e-5


def test_the_spec_baselines_of_uniform_attention() -> None:
    """Two copies of 64 score 0.0108 without a prefix."""
    sequences = synthetic.repeated_sequences(torch.arange(100), 64, 128, 4, None, "test")
    assert repeated_sequences.uniform_scores(sequences).sel(score="induction_last").values == pytest.approx(
        0.0108, abs=2e-4
    )


def test_a_head_that_looks_back_a_fixed_distance_fails_at_other_lengths() -> None:
    """The reason for several lengths: a positional head at offset 10 is perfect at length 11 and nowhere else."""
    model = _model(n_layer=1, n_head=1, n_embd=48, norm="none")
    w = model.blocks[0].attn.c_attn.weight
    w.zero_()
    model.wte.weight.zero_()
    model.wpe.weight.copy_(torch.eye(48))
    shift = torch.zeros(48, 48)
    shift[torch.arange(38), torch.arange(10, 48)] = 1
    w[:48] = 500 * shift
    w[48:96] = torch.eye(48)
    scores = {}
    for length in (11, 17):
        sequences = synthetic.repeated_sequences(torch.arange(40), length, 48, 5, None, "test")
        scores[length] = repeated_sequences.attention_scores(model, sequences).sel(score="induction_last").values.mean()
    assert scores[11] > 0.99
    assert scores[17] < 0.01


@pytest.mark.parametrize("context", [24, 48])
def test_experiment_one_takes_no_position_head_for_an_induction_head(context: int, shakespeare) -> None:
    """Nor does it call such a model free of structure."""
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.experiment import Subject
    from nanoscope.experiments.induction.setting import Params

    few = Params(8, 4, 8, 24, 8, 30, 1, 2, 4)
    model = _offset_head(context, synthetic.lengths_that_fit(context, 56)[0] - 1)
    subject = Subject(Checkpoint(model, shakespeare.vocabulary), shakespeare, "offset head")
    experiment = open_experiment("induction")
    verdicts = {f.id.split(".")[1]: f.verdict for f in experiment.judge(experiment.measure(subject, few))}
    assert verdicts["heads"] == "not supported"
    assert verdicts["absent"] == "not supported"
    assert verdicts["localised"] == "not applicable"


def _offset_head(context: int, offset: int) -> GPT:
    """Two layers of which the first has one head that looks back a fixed distance, by position alone."""
    model = random_model(scale=1.0, n_layer=2, n_head=1, n_embd=2 * context, vocab_size=65, block_size=context)
    model.wpe.weight.zero_()
    model.wpe.weight[:, :context] = 40 * torch.eye(context)
    w = model.blocks[0].attn.c_attn.weight.zero_()
    size = 2 * context
    w[torch.arange(context - offset), torch.arange(offset, context)] = 20
    w[size + torch.arange(context), torch.arange(context)] = 20
    return model


def test_the_permutation_test_finds_a_planted_head_and_nothing_in_random_ones(planted) -> None:
    from nanoscope.statistics.intervals import max_t

    sequences = synthetic.repeated_sequences(torch.arange(60), 17, 129, 4, 65, "test")
    observed, null = repeated_sequences.permutation_test(planted.model, sequences, 60, "test")
    p = max_t(observed.ravel(), null.reshape(60, -1))
    assert p[2] == pytest.approx(1 / 61)
    alarms = 0
    for seed in range(10):
        model = random_model(seed, scale=1.0, vocab_size=40, block_size=48)
        sequences = synthetic.repeated_sequences(torch.arange(40), 11, 48, 4, None, seed)
        observed, null = repeated_sequences.permutation_test(model, sequences, 40, "test")
        alarms += bool((max_t(observed.ravel(), null.reshape(40, -1)) <= 0.05).any())
    assert alarms <= 3


# ---- patching ------------------------------------------------------------------------------------------------------


def test_sweeps_equal_one_run_per_cell(variant: GPT) -> None:
    """Against the definition, with edits written by hand as replacements in a tap."""
    task = Task(*[random_tokens(variant, seed=s) for s in (1, 2)], *[torch.full((4, 1), n) for n in (3, 5, 9)])
    swept = patching.exact(variant, task, metrics.logit_diff, patching.heads(variant, task))
    clean = run(variant, task.clean, keep=["z"]).cache

    class Swap:
        def wants(self, name, layer):
            return (name, layer) == ("z", 2)

        def __call__(self, name, layer, value):
            return torch.stack([value[:, :, 0], clean["z", 2][:, :, 1]], dim=2)

    with torch.no_grad():
        logits = variant(task.corrupt, Swap())
    expected = (logits[:, 9, 3] - logits[:, 9, 5]).numpy()
    assert swept.metric.sel(direction="denoise", layer=2, head=1).values == pytest.approx(expected, rel=1e-5)


def test_a_sweep_over_the_residual_stream_ends_in_certainties() -> None:
    model, task = _model(), _task(reads=[5])
    effect = patching.exact(model, task, metrics.logit_diff, patching.residual_stream(model, task)).effect
    read = int(task.positions[0, 0])
    last = effect.sel(layer=3)
    assert last.sel(pos=read).values == pytest.approx([1.0, 1.0], abs=1e-4)
    others = [abs(last.sel(pos=p).values).max() for p in last.labels("pos") if p != read]
    assert max(others) == 0
    assert min(effect.labels("pos")) == task.first_difference


def test_effects_do_not_depend_on_which_text_is_called_clean() -> None:
    """Exchanging clean and corrupt exchanges the directions."""
    model, task = _model(), _task()
    other = Task(task.corrupt, task.clean, task.answer, task.wrong, task.positions)
    one, two = (
        patching.exact(model, t, metrics.logit_diff, patching.heads(model, t)).effect.values for t in (task, other)
    )
    assert one[0] == pytest.approx(two[1], abs=1e-4)


def test_where_nothing_differs_a_sweep_says_so() -> None:
    task = _task()
    same = Task(task.clean, task.clean, task.answer, task.wrong, task.positions)
    assert not patching.exact(_model(), same, metrics.logit_diff, patching.heads(_model(), same)).informative


def test_a_sweep_of_equal_cells_is_uninformative_however_large_the_difference() -> None:
    """The last residual stream at every position restores all of it everywhere: that locates nothing."""
    clean, corrupt = np.arange(3.0) + 9, np.arange(3.0)
    equal = np.stack([np.broadcast_to(side, (2, 3)) for side in (clean, corrupt)])
    varied = equal.copy()
    varied[0, 1] = corrupt
    for values, informative in ((equal, False), (varied, True)):
        sweep = Sweep(values, ("direction", "layer", "example"), "metric")
        assert patching.PatchingResult(clean, corrupt, sweep).informative == informative


# ---- lens, attribution, ablation, behaviour ------------------------------------------------------------------------


def test_the_lens_at_the_last_layer_is_the_model(variant: GPT) -> None:
    tokens = random_tokens(variant)
    lenses = logit_lens.lens_logits(variant, tokens)
    assert len(lenses) == variant.config.n_layer + 1
    torch.testing.assert_close(lenses[-1], run(variant, tokens).logits)


def test_lens_measures() -> None:
    model, task = _model(), _task()
    read = logit_lens.on_task(model, task)
    assert np.abs(read.sel(measure="kl", layer=3).values).max() < 1e-6
    assert (read.sel(measure="kl").values > -1e-6).all()
    assert (read.sel(measure="agrees", layer=3).values == 1).all()
    expected = metrics.prob(metrics.read(run(model, task.clean).logits, task), task).numpy()
    assert read.sel(measure="answer", layer=3).values.mean(-1) == pytest.approx(expected, rel=1e-5)


def test_settling_is_the_start_of_the_last_run_of_agreement() -> None:
    agrees = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 1, 1]])
    assert logit_lens.settled(agrees).tolist() == [3, 0, 3]


def test_contributions_sum_to_the_logit_difference(variant: GPT) -> None:
    task = Task(*[random_tokens(variant, seed=1)] * 2, *[torch.tensor([[1, 2]] * 4), torch.tensor([[3, 4]] * 4)],
                      torch.tensor([[5, 9]] * 4))  # fmt: skip
    assert direct_attribution.logit_difference(variant, task).unexplained < 1e-5


def test_direct_attribution_is_what_removing_a_part_from_the_last_stream_does() -> None:
    """Prediction by intervention: subtract one head's write before the frozen norm and unembed."""
    model, task = random_model(norm="none", vocab_size=40, block_size=48), _task()
    direct = direct_attribution.logit_difference(model, task).contributions
    cache = run(model, task.clean, keep=["z"]).cache
    write = head_writes(model, cache["z", 1], 1)[:, :, 0]
    edit = add(Site("resid_post", 2), -write)
    gaps = [metrics.logit_diff(metrics.read(run(model, task.clean, e).logits, task), task) for e in ([], [edit])]
    assert direct.sel(component="L1H0").values == pytest.approx((gaps[0] - gaps[1]).numpy(), abs=1e-3, rel=1e-3)


def test_removing_no_head_changes_nothing_and_random_sets_match_layers() -> None:
    model, task = _model(n_head=4), _task()
    kept = head_ablation.without_heads(model, task, metrics.loss, [()], task.corrupt)
    plain = metrics.loss(metrics.read(run(model, task.clean).logits, task), task).numpy()
    assert kept.sel(run="clean").values[0] == pytest.approx(plain, rel=1e-6)
    chosen = ((1, 0), (1, 2), (2, 3))
    drawn = head_ablation.layer_matched(model, chosen, 6, "test")
    assert len(set(drawn)) == len(drawn) == 3
    for heads_drawn in drawn:
        assert [layer for layer, _ in heads_drawn] == [1, 1, 2]
        assert not set(heads_drawn) & set(chosen)
    assert head_ablation.layer_matched(model, ((1, 0), (1, 1), (1, 2)), 6, "test") == [((1, 3),)]
    assert head_ablation.layer_matched(_model(n_head=1, n_embd=16), ((1, 0),), 5, "test") == []


def test_mean_ablating_with_the_texts_own_constant_activations_changes_nothing() -> None:
    model = _model()
    task = _task(examples=1)
    kept = head_ablation.without_heads(model, task, metrics.loss, [(), ((1, 0),)], task.clean)
    assert kept.sel(run="clean").values[1] == pytest.approx(kept.sel(run="clean").values[0], rel=1e-5)


def test_loss_by_match_length_adds_up_to_the_loss(shakespeare) -> None:
    train, val = shakespeare.split(shakespeare.vocabulary)
    model = random_model(vocab_size=65, block_size=64)
    windows = val[: 65 * 8].view(8, 65)
    tables = NGrams.fit(train[:100_000].numpy(), 65, 7)
    totals = behaviour.by_match_length(model, windows, tables, None)
    logits = run(model, windows[:, :64]).logits
    losses = -metrics.chosen(metrics.log_probs(logits), windows[:, 1:])[:, 16:]
    assert totals.sel(source="model").values.sum() == pytest.approx(losses.sum().item(), rel=1e-5)
    assert totals.sel(source="count").values.sum() == losses.numel()
    bigram = -np.log(tables.prob(windows.numpy())[1][:, 17:])
    assert totals.sel(source="bigram").values.sum() == pytest.approx(bigram.sum(), rel=1e-9)


def test_tables_on_a_task_guess_what_they_should() -> None:
    """A text of one endless cycle: its bigram table knows what follows, and the unigram does not."""
    cycle = np.tile(np.arange(40), 100)
    tables = NGrams.fit(cycle, 40, 2)
    ones = torch.arange(20)[None].expand(3, -1)
    task = Task(ones, ones, *[torch.full((3, 1), n) for n in (8, 9, 7)])
    assert behaviour.tables_on_task(tables, task, 40).values.tolist() == [[0, 0, 0], [1, 1, 1]]
