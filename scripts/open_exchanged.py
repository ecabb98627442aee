"""Open the models that `check_exchange.py` exported, in an environment with transformers and TransformerLens 3.

    python scripts/open_exchanged.py FOLDER      # writes NAME.opened, tokens and logits, beside each

It also writes a GPT-2 of its own with random weights, `theirs.gpt2`.
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformers import GPT2Config, GPT2LMHeadModel


def main(folder: Path) -> None:
    own = folder / "theirs.gpt2"
    torch.manual_seed(1)
    GPT2LMHeadModel(GPT2Config(vocab_size=19, n_positions=16, n_embd=32, n_layer=2, n_head=4)).save_pretrained(own)
    tokens = {path.stem: safetensors.torch.load_file(path)["tokens"] for path in folder.glob("*.logits")}
    tokens["theirs.gpt2"] = torch.randint(19, (3, 16))
    for name, ids in tokens.items():
        logits = _gpt2(folder / name, ids) if name.endswith(".gpt2") else _hooked(folder / name, ids)
        safetensors.torch.save_file({"tokens": ids, "logits": logits.contiguous()}, folder / f"{name}.opened")


@torch.no_grad()
def _gpt2(path: Path, tokens: torch.Tensor) -> torch.Tensor:
    return GPT2LMHeadModel.from_pretrained(path).eval()(tokens).logits


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
