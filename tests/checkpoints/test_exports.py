"""What other programs are given: every number that the model has, or a refusal that says what the format lacks."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import VARIANTS, Call, random_model, random_tokens

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.checkpoints.exports import export, gpt2, hooked
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT

GPT2 = [name for name in VARIANTS if not gpt2.not_expressible(GPTConfig(**VARIANTS[name]))]
HOOKED = [name for name in VARIANTS if not hooked.not_expressible(GPTConfig(**VARIANTS[name]))]


def test_the_formats_express_what_they_should() -> None:
    assert GPT2 == ["nanogpt", "gpt2", "narrow_mlp", "no_positions", "sinusoids"]
    left = {"post_norm", "post_attention_only", "wide_heads"}
    assert set(VARIANTS) - set(HOOKED) == left


@pytest.mark.parametrize("style", ["gpt2", "transformerlens"])
@pytest.mark.parametrize("name", HOOKED)
def test_an_exported_model_comes_back_with_the_same_logits(name: str, style: str, tmp_path: Path) -> None:
    if style == "gpt2" and name not in GPT2:
        pytest.skip("GPT-2 has no such models")
    model = random_model(**VARIANTS[name])
    tokens = random_tokens(model)
    export(Checkpoint(model), tmp_path / "exported", style)
    back = load(tmp_path / "exported").model
    expected = run(model, tokens).logits
    assert (run(back, tokens).logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_gpt2_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model = random_model(**VARIANTS["gpt2"])
    export(Checkpoint(model), tmp_path / "exported", "gpt2")
    back = load(tmp_path / "exported").model
    assert back.config == model.config
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in back.state_dict().items())


def test_a_gpt2_made_by_transformers_has_its_logits() -> None:
    """`scripts/make_gpt2_fixture.py` made it, its biases and norms not at zero and one."""
    folder = Path(__file__).parent / "gpt2_random"
    expected = safetensors.torch.load((folder / "expected.tensors").read_bytes())
    model = load(folder).model
    assert model.config == GPTConfig(2, 2, 16, 12, 23, dropout=0.1, bias=True, activation="gelu_tanh")
    logits = run(model, expected["tokens"]).logits
    assert (logits - expected["logits"]).abs().max() < 1e-5 * expected["logits"].abs().max()


def test_linear_layers_are_transposed_and_missing_biases_zero(tmp_path: Path) -> None:
    model = random_model()
    export(Checkpoint(model), tmp_path / "exported", "gpt2")
    found = safetensors.torch.load_file(tmp_path / "exported" / "model.safetensors")
    config = json.loads((tmp_path / "exported" / "config.json").read_text())
    assert torch.equal(found["transformer.h.1.mlp.c_fc.weight"], model.blocks[1].mlp.c_fc.weight.T)
    assert not any(value.any() for name, value in found.items() if name.endswith("bias"))
    assert config["activation_function"] == "gelu"
    assert config["tie_word_embeddings"]
    assert "lm_head.weight" not in found


def test_heads_of_a_hooked_model_are_those_of_the_arithmetic(tmp_path: Path) -> None:
    model = random_model(**VARIANTS["llama"])
    export(Checkpoint(model), tmp_path / "hooked.pt", "transformerlens")
    stored = torch.load(tmp_path / "hooked.pt", weights_only=True)
    weights, attn = stored["state_dict"], model.blocks[1].attn
    assert torch.equal(weights["blocks.1.attn.W_Q"], attn.W_Q)
    assert torch.equal(weights["blocks.1.attn.W_O"], attn.W_O)
    assert torch.equal(weights["blocks.1.attn._W_K"][0], attn.W_K[1])
    assert torch.equal(weights["blocks.1.mlp.W_gate"], model.blocks[1].mlp.c_fc.weight.T)
    assert stored["cfg"]["n_key_value_heads"] == 1


@pytest.mark.parametrize(
    ("changes", "style", "says"),
    [
        ({"norm": "rms"}, "gpt2", "GPT-2's format cannot express this model: it needs layer norm"),
        ({"head_bias": True}, "gpt2", "its unembedding has no bias"),
        (
            {"norm_position": "post"},
            "transformerlens",
            "TransformerLens cannot express this model: its norms come before",
        ),
        ({"positions": "rotary"}, "nanogpt", "nanoGPT has no positions='rotary'"),
        ({"gated_mlp": True, "bias": True}, "transformerlens", "its gates have no biases"),
    ],
)
def test_what_a_format_lacks_is_refused_with_the_reason(changes: dict, style: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(NanoscopeError, match=says):
        export(Checkpoint(_with_biases(random_model(**changes))), tmp_path / "exported", style)
    assert not list(tmp_path.iterdir())


def _with_biases(model: GPT) -> GPT:
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            value.fill_(0.5)
    return model


def test_the_command_writes_all_three(call: Call, tmp_path: Path) -> None:
    save(Checkpoint(random_model()), tmp_path / "ours")
    for style, path in (("nanogpt", "ckpt.pt"), ("gpt2", "folder"), ("transformerlens", "hooked.pt")):
        code, printed, _ = call("export", tmp_path / "ours", tmp_path / path, "--format", style)
        assert code == 0
        assert "wrote" in printed
        assert (tmp_path / path).exists()
    code, _, complaint = call("export", tmp_path / "ours", tmp_path / "folder", "--format", "gpt2")
    assert code == 2
    assert complaint.count("\n") == 1
    assert "exists; choose another folder" in complaint
