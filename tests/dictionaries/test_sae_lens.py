"""SAELens's layout: what is written is read again, and both say what SAELens's own formulas say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from nanoscope.dictionaries import sae_lens
from nanoscope.dictionaries.coder import Coder, Kind, Shape
from nanoscope.dictionaries.source import Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError

RECIPE = {"recipe": {"k": 3}, "checkpoint": "abc"}
FILES = (
    ("topk", "resid_post.1", False),
    ("batchtopk", "z.1", False),
    ("jumprelu", "post.0", False),
    ("relu", "z.0.1", False),
    ("batchtopk", "mlp.1", False),
    ("jumprelu", "mlp.1", True),
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dictionary(kind: Kind, name: str, skip: bool) -> Dictionary:
    coder = Coder(Shape(kind, 6, 6, 12, 3, skip)).requires_grad_(False)
    for number, parameter in enumerate(coder.parameters()):
        parameter.copy_(drawn(*parameter.shape, seed=number))
    coder.with_unit_decoder()
    coder.threshold.abs_().mul_(kind in ("jumprelu", "batchtopk"))
    if kind == "batchtopk":
        coder.threshold.fill_(0.4)
    return Dictionary(coder, Source.named(name), RECIPE)


def stored(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return json.loads((folder / "cfg.json").read_text()), safetensors.torch.load_file(
        folder / "sae_weights.safetensors"
    )


def theirs(config: dict[str, Any], w: dict[str, Tensor], x: Tensor) -> Tensor:
    """SAELens's forward pass, restated from its names: the encoder's rows are columns there."""
    read = x - w["b_dec"] * config["apply_b_dec_to_input"]
    pre = read @ w["W_enc"] + w["b_enc"]
    f = pre.relu()
    if "threshold" in w:
        f = f * (pre > w["threshold"])
    if "k" in config:
        top = pre.topk(config["k"], dim=-1)
        f = torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
    y = f @ w["W_dec"] + w["b_dec"]
    return y + x @ w["W_skip"].T if "W_skip" in w else y


@pytest.mark.parametrize(("kind", "name", "skip"), FILES)
def test_what_is_written_does_the_same_there_and_comes_back(kind: Kind, name: str, skip: bool, tmp_path: Path):
    ours, x = dictionary(kind, name, skip), drawn(50, 6, seed=9)
    sae_lens.export(ours, tmp_path / "sae")
    torch.testing.assert_close(theirs(*stored(tmp_path / "sae"), x), ours.coder(x))
    again = sae_lens.load(tmp_path / "sae")
    torch.testing.assert_close(again.coder(x), ours.coder(x))
    torch.testing.assert_close(again.coder.encode(x), ours.coder.encode(x))
    assert (str(again.source), again.identity["checkpoint"]) == (name, "abc")
    kept = "jumprelu" if kind == "batchtopk" else kind
    assert again.coder.shape == replace(ours.coder.shape, kind=kept)


def test_a_file_of_theirs_that_subtracts_its_bias_and_has_long_decoder_rows_is_read(tmp_path: Path):
    """Their form of the input and of the decoder is folded into ours."""
    config = {
        "architecture": "jumprelu",
        "d_in": 6,
        "d_sae": 9,
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "metadata": {"hook_name": "blocks.2.hook_resid_pre"},
    }
    weights = {"W_enc": drawn(6, 9), "b_enc": drawn(9, seed=1), "W_dec": 3 * drawn(9, 6, seed=2)}
    weights |= {"b_dec": drawn(6, seed=3), "threshold": drawn(9, seed=4).abs()}
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    (tmp_path / "sae_weights.safetensors").write_bytes(safetensors.torch.save(weights))
    read, x = sae_lens.load(tmp_path), drawn(40, 6, seed=5)
    torch.testing.assert_close(read.coder(x), theirs(config, weights, x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(read.coder.W_dec.norm(dim=1), torch.ones(9))
    assert str(read.source) == "resid_pre.2"


def test_what_the_other_side_has_no_name_for_is_refused(tmp_path: Path):
    with pytest.raises(NanoscopeError, match="SAELens has no topk transcoder"):
        sae_lens.export(dictionary("topk", "mlp.1", False), tmp_path / "none")
    assert not (tmp_path / "none").exists()
    sae_lens.export(dictionary("topk", "resid_post.1", False), tmp_path / "sae")
    whole = (tmp_path / "sae" / "cfg.json").read_text()
    for changed, words in (
        ({"architecture": "gated"}, "'gated' are not read"),
        ({"normalize_activations": "expected_average_only_in"}, "are normalised"),
        ({"rescale_acts_by_decoder_norm": True}, "decoder's norms"),
        ({"metadata": {"hook_name": "blocks.1.attn.hook_q"}}, "no activation that dictionaries are read at"),
    ):
        (tmp_path / "sae" / "cfg.json").write_text(json.dumps(json.loads(whole) | changed))
        with pytest.raises(NanoscopeError, match=words):
            sae_lens.load(tmp_path / "sae")
    (tmp_path / "sae" / "cfg.json").write_text("{")
    for path in (tmp_path / "sae", tmp_path / "missing"):
        with pytest.raises(NanoscopeError, match="no dictionary in SAELens's layout"):
            sae_lens.load(path)
