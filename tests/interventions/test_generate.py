"""Generation: the cached text is the text by full forwards, tokens come with the model's probabilities, edits act."""

from itertools import islice

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, add, edit, mean, patch, project_out, scale, zero
from nanoscope.interventions.generate import Sampling, generate
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.text.vocabulary import Vocabulary

PROMPT, STEPS = 14, 14
"""Together beyond the models' context of 24."""


def by_full_forwards(model: GPT, tokens: torch.Tensor, sampling: Sampling, edits: list[AnyEdit]) -> torch.Tensor:
    for noise in islice(sampling.noise(len(tokens), model.config.vocab_size), 4):
        logits = run(model, tokens[:, -model.config.block_size :], edits).logits[:, -1]
        tokens = torch.cat([tokens, sampling.draw(logits, noise)[:, None]], dim=1)
    return tokens


def assert_written_by_full_forwards(
    model: GPT, written: torch.Tensor, sampling: Sampling, edits: list[AnyEdit]
) -> None:
    """Each token follows from a full forward of all before it; within the context one forward has the logits of them all."""
    context, vocabulary = model.config.block_size, model.config.vocab_size
    first = run(model, written[:, :context], edits).logits
    for at, noise in zip(range(PROMPT, written.shape[1]), sampling.noise(len(written), vocabulary), strict=False):
        inside = at <= context
        logits = first[:, at - 1] if inside else run(model, written[:, at - context : at], edits).logits[:, -1]
        assert torch.equal(written[:, at], sampling.draw(logits, noise)), at


def all_edits(model: GPT) -> list[AnyEdit]:
    cache = run(model, random_tokens(model, seed=3), keep=["z", "embed"]).cache
    direction = torch.linspace(-1, 1, model.config.n_embd)
    return [
        zero(Site("z", 1, head=0)),
        mean(Site("z", 2, head=1), cache, over=("batch", "pos")),
        add(Site("resid_pre", 1), direction),
        scale(Site("k", 0), 0.5),
        scale(Site("scores", 2, head=0), 2.0),
        project_out(Site("attn_out", 0), direction),
        scale(Site("pos_embed"), 0.7),
    ]


@pytest.mark.parametrize("kind", ["gpt2", "attention_only", "sinusoids", "llama", "pythia", "post_norm"])
def test_the_cache_changes_no_token(kind: str) -> None:
    model = random_model(**VARIANTS[kind])
    tokens = random_tokens(model, batch=2, length=PROMPT)
    for sampling, edits in ((Sampling(0), []), (Sampling(1.3, top_k=9, seed=4), all_edits(model))):
        settings = {"temperature": sampling.temperature, "top_k": sampling.top_k, "seed": sampling.seed}
        found = generate(model, tokens, steps=STEPS, edits=edits, **settings)
        assert_written_by_full_forwards(model, found, sampling, edits)


def test_a_function_that_looks_at_all_positions_sees_them_all() -> None:
    model = random_model()
    tokens = random_tokens(model, batch=2, length=5)
    centred = edit(Site("z", 1), lambda z: z - z.mean(dim=1, keepdim=True))
    found = generate(model, tokens, steps=4, seed=4, temperature=1.3, edits=[centred])
    assert torch.equal(found, by_full_forwards(model, tokens, Sampling(1.3, seed=4), [centred]))
    assert not torch.equal(found, generate(model, tokens, steps=4, seed=4, temperature=1.3))


def test_tokens_are_drawn_with_the_probabilities_of_the_softmax() -> None:
    logits, draws = torch.tensor([[1.0, 0.0, -1.0, 2.0]]), 5_000
    for sampling, kept in ((Sampling(1.0), [0, 1, 2, 3]), (Sampling(0.5, top_k=2), [0, 3])):
        noise = np.concatenate(list(islice(sampling.noise(1, 4), draws)))
        drawn = sampling.draw(logits.expand(draws, -1), noise).bincount(minlength=4) / draws
        expected = torch.zeros(4)
        expected[kept] = (logits[0, kept] / sampling.temperature).softmax(-1)
        assert (drawn - expected).abs().max() < 4 * 0.5 / draws**0.5
        assert (drawn > 0).tolist() == (expected > 0).tolist()


def test_both_ends_of_temperature_and_top_k_and_the_same_text_in_any_batch() -> None:
    model = random_model()
    tokens = random_tokens(model, batch=3, length=5)
    greedy = generate(model, tokens, steps=5, temperature=0)
    assert torch.equal(generate(model, tokens, steps=5, top_k=1, seed=9), greedy)
    assert torch.equal(generate(model, tokens, steps=5, temperature=1e-6), greedy)
    whole = generate(model, tokens, steps=5, top_k=model.config.vocab_size, seed=1)
    assert torch.equal(whole, generate(model, tokens, steps=5, seed=1))
    assert torch.equal(generate(model, tokens[0], steps=5, seed=1), whole[0])
    assert not torch.equal(generate(model, tokens, steps=5, seed=2), whole)
    assert torch.equal(whole[:, :5], tokens)


def test_text_goes_in_and_comes_out() -> None:
    model = random_model()
    plain = Checkpoint(model, Vocabulary(tuple("abcdefghijkl\n")))
    text = generate(plain, "abba", steps=6, seed=1)
    assert text[:4] == "abba"
    assert text == plain.decode(generate(model, plain.encode("abba"), steps=6, seed=1))
    started = Checkpoint(model, Vocabulary(("<s>", *"abcdefghijkl"), start=0))
    after_start = torch.cat([torch.tensor([0]), started.encode("abba")])
    expected = generate(model, after_start, steps=6, seed=1)[1:]
    assert generate(started, "abba", steps=6, seed=1) == started.decode(expected)


def test_what_has_no_meaning_in_a_growing_text_is_refused() -> None:
    model = random_model()
    tokens = random_tokens(model)
    cache = run(model, tokens, keep=["z", "pattern"]).cache
    for one, message in (
        (zero(Site("z", 1, pos=3)), r"L1.z\[3\] chooses positions"),
        (patch(Site("z", 1), cache), "values of another run's positions"),
        (mean(Site("z", 1, head=0), cache), r"over=\(\"batch\", \"pos\"\)"),
        (patch(Site("pattern", 1), cache), "values of another run's positions"),
        (zero(Site("z", 3)), "no layer 3"),
    ):
        with pytest.raises(NanoscopeError, match=message):
            generate(model, tokens, steps=2, edits=[one])
    for wrong, message in (
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 2, "temperature": -1.0}, "temperature must be"),
        ({"steps": 2, "top_k": 0}, "top_k must be"),
    ):
        with pytest.raises(NanoscopeError, match=message):
            generate(model, tokens, **wrong)
    with pytest.raises(NanoscopeError, match="training mode"):
        generate(random_model().train(), tokens, steps=2)
    with pytest.raises(NanoscopeError, match="give the checkpoint"):
        generate(model, "ROMEO", steps=2)
    with pytest.raises(NanoscopeError, match="no vocabulary"):
        generate(Checkpoint(model), "ROMEO", steps=2)
