"""Keys, values and queries of the induction heads: told apart in models whose wiring is known."""

import math

import numpy as np
import pytest
import torch

from nanoscope.analysis.circuits.paths import path_patch
from nanoscope.experiments.induction import routes
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.gpt import GPT
from nanoscope.planted.channels import ChannelLayout
from nanoscope.planted.circuits import LENGTH, LETTERS, plain, pointer, redundant
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.text.vocabulary import Vocabulary


def _shares(
    model: GPT, task, heads=((1, 0),)
) -> tuple[dict[str, float], dict[str, float], dict[tuple[str, str], float]]:
    """What clean inputs restore, what corrupt ones destroy, and what each earlier head's corrupt writes destroy, as shares."""
    found = routes.measure(model, task, heads)
    clean, corrupt = found["route_plain"].values.mean(-1)
    restore, destroy = found["route_inputs"].values.mean(-1)
    single = found["route_heads"].mean("example")
    names = [(str(head), str(way)) for head in single.labels("head") for way in routes.RECEIVERS]
    gone = ((clean - single.values) / (clean - corrupt)).ravel()
    return (
        dict(zip(routes.INPUTS, (restore - corrupt) / (clean - corrupt), strict=True)),
        dict(zip(routes.INPUTS, (clean - destroy) / (clean - corrupt), strict=True)),
        dict(zip(names, gone, strict=True)),
    )


def test_an_induction_head_is_an_and_of_its_keys_and_its_values() -> None:
    known = plain(60.0)
    restore, destroy, single = _shares(known.model, known.task)
    assert [restore[way] for way in ("q", "k", "v", "qk", "qv")] == pytest.approx([0] * 5, abs=0.03)
    assert (restore["kv"], restore["qkv"]) == pytest.approx((1, 1), abs=1e-4)
    assert [destroy[way] for way in ("q", "k", "v")] == pytest.approx([0, 1, 1], abs=0.05)
    assert single[("L0H0", "k")] == pytest.approx(1, abs=0.05)
    assert all(abs(share) < 1e-4 for path, share in single.items() if path != ("L0H0", "k"))


def test_a_pointed_head_is_driven_by_its_queries() -> None:
    known = pointer(60.0)
    restore, destroy, single = _shares(known.model, known.task)
    assert (restore["q"], restore["v"], restore["kv"]) == pytest.approx((0, 0, 0), abs=0.1)
    assert restore["qv"] == pytest.approx(1, abs=1e-3)
    assert (destroy["q"], destroy["k"]) == pytest.approx((1, 0), abs=0.1)
    assert single[("L0H0", "q")] == pytest.approx(1, abs=0.1)
    assert abs(single[("L0H0", "k")]) < 1e-3


def test_a_head_that_looks_a_fixed_distance_back_is_a_chain_through_its_values() -> None:
    """It copies, but neither its keys nor its queries know what it copies: values alone restore all."""
    known, back = plain(60.0), LENGTH - 1
    at = ChannelLayout((*LETTERS, "<start>"), known.model.config.block_size)
    attn, positions = known.model.blocks[1].attn, torch.arange(known.model.config.block_size)
    attn.W_Q[0].zero_()
    attn.W_K[0].zero_()
    attn.W_Q[0][at.pos, positions] = 60 * math.sqrt(known.model.config.d_head)
    attn.W_K[0][at.pos[:-back], positions[back:]] = 1.0
    restore, destroy, single = _shares(known.model, known.task)
    assert (restore["v"], destroy["v"]) == pytest.approx((1, 1), abs=1e-3)
    assert (restore["k"], destroy["k"], destroy["q"]) == pytest.approx((0, 0, 0), abs=1e-3)
    assert all(abs(share) < 1e-3 for share in single.values())


def test_of_two_equal_heads_both_must_be_given_clean_inputs() -> None:
    known = redundant(60.0)
    both, _, _ = _shares(known.model, known.task, ((1, 0), (1, 1)))
    _, destroy_one, _ = _shares(known.model, known.task, ((1, 0),))
    assert both["kv"] == pytest.approx(1, abs=1e-4)
    assert destroy_one["kv"] < 0.5, "the other one is still there"


def test_patched_inputs_are_those_of_path_patching() -> None:
    """The same as the general instrument, which recomputes every read."""
    known = plain(4.0)
    found = routes.measure(known.model, known.task, ((1, 0),))
    everything = graph_of(known.model.config).sources
    for way in ("k", "v"):
        patch = path_patch(known.model, known.task, everything[:3], [f"L1H0.{way}"])
        noise = found["route_inputs"].sel(direction="noise", inputs=way).values
        np.testing.assert_allclose(noise, patch.patched, atol=1e-4)
        one = path_patch(known.model, known.task, ["L0H0"], [f"L1H0.{way}"])
        np.testing.assert_allclose(found["route_heads"].sel(head="L0H0", receiver=way).values, one.patched, atol=1e-4)
    np.testing.assert_allclose(found["route_plain"].values[0], patch.clean, atol=1e-4)


def test_a_model_whose_stream_is_no_sum_has_no_paths() -> None:
    from conftest import VARIANTS, random_model

    assert not routes.possible(random_model(**VARIANTS["post_norm"]))
    assert routes.possible(planted_induction(Vocabulary(tuple(LETTERS)), Planted(context=15)).model)
