"""A GPT-2 of Hugging Face's transformers with random weights, and its logits: a fixture of the tests.

.exchange/bin/python scripts/make_gpt2_fixture.py tests/checkpoints/gpt2_random     # `make exchange` makes that environment
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from transformers import GPT2Config, GPT2LMHeadModel  # pyright: ignore[reportMissingImports]


def main(folder: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=23, n_positions=12, n_embd=16, n_layer=2, n_head=2, initializer_range=0.4)
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "ln_" in name:  # transformers begins with zeros and ones
                parameter.add_(torch.randn_like(parameter) * 0.2)
        tokens = torch.randint(23, (3, 12))
        logits = model(tokens).logits
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    safetensors.torch.save_file({"tokens": tokens, "logits": logits.contiguous()}, folder / "expected.tensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
