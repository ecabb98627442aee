"""Open the models that `check_exchange.py` exported, in an environment with transformers and TransformerLens 3.

    python scripts/open_exchanged.py FOLDER      # writes NAME.opened, tokens and logits, beside each

It also writes models of its own with random weights, `NAME.theirs`.
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig  # pyright: ignore[reportMissingImports]
from transformers import (  # pyright: ignore[reportMissingImports]
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
)

SHAPE = {"vocab_size": 19, "initializer_range": 0.3}
MODERN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24,
          "max_position_embeddings": 16}  # fmt: skip
THEIRS: dict[str, PreTrainedConfig] = {
    "gpt2": GPT2Config(n_positions=16, n_embd=32, n_layer=2, n_head=4, **SHAPE),
    "gpt_neo": GPTNeoConfig(max_position_embeddings=16, hidden_size=32, num_layers=2, num_heads=4,
                            attention_types=[[["global", "local"], 1]], **SHAPE),
    "gpt_neox": GPTNeoXConfig(**MODERN, **SHAPE),
    "llama": LlamaConfig(num_key_value_heads=2, **MODERN, **SHAPE),
    "mistral": MistralConfig(num_key_value_heads=2, **MODERN, **SHAPE),
    "qwen2": Qwen2Config(num_key_value_heads=2, **MODERN, **SHAPE),
}  # fmt: skip


def main(folder: Path) -> None:
    tokens = {path.stem: safetensors.torch.load_file(path)["tokens"] for path in folder.glob("*.logits")}
    for name, config in THEIRS.items():
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).float().save_pretrained(folder / f"{name}.theirs")
        tokens[f"{name}.theirs"] = torch.randint(19, (3, 16))
    for name, ids in tokens.items():
        logits = _hooked(folder / name, ids) if name.endswith(".transformerlens") else _theirs(folder / name, ids)
        safetensors.torch.save_file({"tokens": ids, "logits": logits.contiguous()}, folder / f"{name}.opened")


@torch.no_grad()
def _theirs(path: Path, tokens: torch.Tensor) -> torch.Tensor:
    kind = GPT2LMHeadModel if path.suffix == ".gpt2" else AutoModelForCausalLM
    return kind.from_pretrained(path).float().eval()(tokens).logits


@torch.no_grad()
def _hooked(path: Path, tokens: torch.Tensor) -> torch.Tensor:
    stored = torch.load(path, weights_only=True)
    model = HookedTransformer(HookedTransformerConfig(**stored["cfg"], device="cpu"))
    missing, unexpected = model.load_state_dict(stored["state_dict"], strict=False)
    lost = [name for name in missing if not name.endswith(("mask", "IGNORE", "rotary_sin", "rotary_cos"))]
    if lost or unexpected:
        raise SystemExit(f"{path.name}: TransformerLens misses {lost} and does not know {unexpected}")
    return model.eval()(tokens)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
