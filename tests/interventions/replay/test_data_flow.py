"""The table of a block's data flow, held against `GPT.block` itself by editing one activation after another."""

import numpy as np
import torch
from conftest import random_tokens

from nanoscope.interventions.edits import Edit
from nanoscope.interventions.replay.cells import EditedSite
from nanoscope.interventions.replay.changes import edited_positions, propagate
from nanoscope.interventions.replay.data_flow import block_steps, kept_of_base
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, Site

LENGTH, POS, LAYER = 7, 3, 1


class _Order:
    """A tap that notes in which order a block shows its activations."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def wants(self, name: str, layer: int | None) -> bool:
        return layer == LAYER

    def __call__(self, name: str, layer: int | None, value: torch.Tensor) -> torch.Tensor:
        self.seen.append(name)
        return value


def test_the_table_has_a_blocks_activations_in_the_order_in_which_it_makes_them(variant: GPT) -> None:
    order = _Order()
    variant(random_tokens(variant), order)
    assert [step.site for step in block_steps(variant.config)] == order.seen


def test_every_source_is_made_before_what_is_made_from_it(variant: GPT) -> None:
    done: set[str] = set()
    for step in block_steps(variant.config):
        assert done.issuperset((*step.sources, *step.past))
        done.add(step.site)


def test_an_edit_changes_what_the_table_says_and_nothing_else(variant: GPT) -> None:
    """Every site of a block edited at one position: where every activation of this and the next layer differs."""
    tokens, names = random_tokens(variant, 2, LENGTH), [step.site for step in block_steps(variant.config)]
    plain = run(variant, tokens, keep=names).cache
    reads = np.ones((2, LENGTH), dtype=bool)
    for name in names:
        at = Site(name, LAYER, **{"query" if "query" in AXES[name] else "pos": POS})
        changed = np.ones((2, 1), dtype=bool)
        cell = [EditedSite(at, slice(POS, POS + 1), changed)]
        flow = propagate(variant.config, edited_positions([cell], 2, LENGTH), reads)
        other = run(variant, tokens, [Edit(at, _other(plain[at], name))], keep=names).cache
        for layer in range(variant.config.n_layer):
            for kept in names:
                expected = _differs(other[kept, layer], plain[kept, layer], kept)
                assert np.array_equal(flow.layers[layer].changed[kept], expected), (at, kept, layer)


def _other(value: torch.Tensor, name: str) -> torch.Tensor:
    """Something else that changes all that is made of it: noise, or a pattern turned by one visible key."""
    if name == "pattern":
        return torch.cat([value[..., : POS + 1].roll(1, -1), value[..., POS + 1 :]], dim=-1)
    noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    return value.abs() + noise.abs() + 1.0 if name in ("pre", "post") else value + noise


def _differs(value: torch.Tensor, plain: torch.Tensor, name: str) -> np.ndarray:
    """Where, by position or query; of scores only the keys that a query sees."""
    if "query" in AXES[name]:
        value, plain = (part.tril().transpose(1, 2) for part in (value, plain))
    return (value != plain).flatten(2).any(-1).numpy()


BESIDE = {"pre": "resid_mid", "post": "resid_mid", "mlp_out": "resid_mid", "embed": "pos_embed", "pos_embed": "embed"}


def test_the_base_run_keeps_what_an_edit_needs_beside_it(variant: GPT) -> None:
    """Of a sum also the part that the edit does not reach."""
    always = {"resid_pre", "q", "k", "v"} | ({"mlp_out"} if variant.config.parallel else set())
    for name in [*(step.site for step in block_steps(variant.config)), "embed", "pos_embed"]:
        assert kept_of_base(variant.config, [name]) == always | {name} | _beside(name, variant.config)


def _beside(name: str, config: GPTConfig) -> set[str]:
    beside = {BESIDE[name]} if name in BESIDE else set()
    if config.gated_mlp:  # the other factor of the neurons
        beside |= {"pre": {"pre_linear"}, "pre_linear": {"pre", "resid_mid"}}.get(name, set())
    if config.parallel:
        beside = {"attn_out"} if name in ("pre", "post", "mlp_out") else beside - {"resid_mid"}
    return beside
