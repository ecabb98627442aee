"""Published models of others, with their authors' own numbers."""

import base64
import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run

SORT = Path(__file__).parents[2] / "../shared/data/gpt-nano-sort"
pytestmark = pytest.mark.skipif(not SORT.exists(), reason="no ../shared/data/gpt-nano-sort")


@pytest.fixture(scope="module")
def sorting() -> Checkpoint:
    return load(SORT / "gpt-nano-sort-model.json")


@pytest.fixture(scope="module")
def partials() -> dict[str, Tensor]:
    """The author's own activations on three inputs."""
    stored = json.loads((SORT / "gpt-nano-sort-t0-partials.json").read_text())
    return {
        name: torch.frombuffer(bytearray(base64.b64decode(one["data"])), dtype=torch.float32).reshape(one["shape"])
        for name, one in stored.items()
        if "data" in one
    }


def test_a_mingpt_in_json_is_read_as_one(sorting: Checkpoint):
    config = sorting.model.config
    assert (config.activation, config.tied_head, config.n_head, config.block_size) == ("gelu_tanh", False, 3, 11)
    where = {one.field: one.where for one in sorting.read_from}
    assert (where["activation"], where["n_layer"]) == ("minGPT", "shape")
    with pytest.raises(NanoscopeError, match="leave --set n_head out"):
        load(SORT / "gpt-nano-sort-model.json", settings={"n_head": 4})


def test_every_published_activation_is_ours(sorting: Checkpoint, partials: dict[str, Tensor]):
    names = {
        "tok_emb": ("embed", None), "q": ("q", 0), "k": ("k", 0), "v": ("v", 0), "attSm": ("pattern", 0),
        "yProj": ("attn_out", 0), "attnResid": ("resid_mid", 0), "fc": ("pre", 0), "gelu": ("post", 0),
        "mlp": ("mlp_out", 0), "block0": ("resid_post", 0), "block1": ("resid_post", 1), "block2": ("resid_post", 2),
        "ln_f": ("ln_final", None),
    }  # fmt: skip
    tokens = partials["idx"].long()
    logits, ours = run(
        sorting.model, tokens, keep=[name if layer is None else (name, layer) for name, layer in names.values()]
    )
    for theirs, (name, layer) in names.items():
        value = ours[name if layer is None else (name, layer)]
        value = value.transpose(1, 2) if name in ("q", "k", "v") else value
        torch.testing.assert_close(value, partials[theirs], atol=1e-5, rtol=0, msg=theirs)
    torch.testing.assert_close(logits, partials["lm_head"], atol=1e-5, rtol=0)


def test_it_sorts_every_input(sorting: Checkpoint):
    given = torch.tensor(list(itertools.product(range(3), repeat=6)))
    read = given
    for _ in range(6):
        read = torch.cat([read, sorting.model(read)[:, -1:].argmax(-1)], dim=1)
    assert int((read[:, 6:] == given.sort(dim=1).values).all(1).sum()) == 729
