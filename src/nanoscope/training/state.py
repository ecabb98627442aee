"""The state of a training: its weights, its optimiser's, and how it is stored and taken up again."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.training.recipe import Machine, Recipe


def make_optimizer(model: GPT, recipe: Recipe) -> torch.optim.AdamW:
    """Fused AdamW with weight decay on matrices only (nanoGPT's `configure_optimizers`)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, fused=True)


def started(recipe: Recipe, folder: Path, machine: Machine) -> tuple[GPT, torch.optim.AdamW, int]:
    """A new model, or the latest saved state of an interrupted run: model, optimizer and next iteration."""
    torch.manual_seed(seed_for("init", recipe.seed))
    model = GPT(recipe.model).to(machine.device).train()
    optimizer = make_optimizer(model, recipe)
    saved = sorted(folder.glob("resume_*"))
    if not saved:
        return model, optimizer, 0
    state = safetensors.torch.load_file(saved[-1] / "state.safetensors", device=machine.device)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[f"model.{name}"])
    for name, parameter in parameters.items():
        kept = {key: state[f"{key}.{name}"] for key in ("exp_avg", "exp_avg_sq", "step")}
        optimizer.state[parameter] = kept
    return model, optimizer, int(saved[-1].name.removeprefix("resume_"))


def state_of(model: GPT, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """The state that `started` restores, by name."""
    state = {}
    for name, parameter in model.named_parameters():
        state[f"model.{name}"] = parameter.detach().contiguous()
        state |= {f"{key}.{name}": value.contiguous() for key, value in optimizer.state[parameter].items()}
    return state
