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
from nanoscope.model import arithmetic
from nanoscope.model.sites import AXES

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
    """All that the author published of three inputs: embeddings, every step of the first layer, all layers, the logits."""
    logits, cache = run(sorting.model, partials["idx"].long(), keep=AXES)
    block, first = sorting.model.blocks[0], {name: cache[name, 0] for name, layer in cache if layer == 0}
    q, k, v = (first[name] for name in "qkv")
    seen = torch.ones(11, 11, dtype=torch.bool).tril()
    ours = {
        "tok_emb": cache["embed"], "pos_emb": cache["pos_embed"][:1], "x": first["resid_pre"],
        "ln1": arithmetic.norm(first["resid_pre"], block.ln_1), "qkv": torch.cat([q, k, v], dim=2).flatten(2),
        "q": q.transpose(1, 2), "k": k.transpose(1, 2), "v": v.transpose(1, 2),
        "att": first["scores"].masked_fill(~seen, 0), "attSm": first["pattern"], "y": first["z"].flatten(2),
        "yProj": first["attn_out"], "attnResid": first["resid_mid"], "ln2": arithmetic.norm(first["resid_mid"], block.ln_2),
        "fc": first["pre"], "gelu": first["post"], "mlp": first["mlp_out"], "mlpResid": first["resid_post"],
        **{f"block{layer}": cache["resid_post", layer] for layer in range(3)}, "ln_f": cache["ln_final"],
        "lm_head": logits, "probs": logits.softmax(-1),
    }  # fmt: skip
    assert ours.keys() == partials.keys() - {"idx"}
    theirs = partials | {"att": partials["att"].masked_fill(~seen, 0)}  # hidden scores are theirs as minus infinity
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=0, msg=name)


def test_it_sorts_every_input(sorting: Checkpoint):
    given = torch.tensor(list(itertools.product(range(3), repeat=6)))
    read = given
    for _ in range(6):
        read = torch.cat([read, sorting.model(read)[:, -1:].argmax(-1)], dim=1)
    assert int((read[:, 6:] == given.sort(dim=1).values).all(1).sum()) == 729
