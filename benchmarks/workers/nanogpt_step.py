"""nanoGPT's own training step: `train.py` with one micro-batch, its autocast, clipping, and AdamW as it configures it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

import nanogpt
from protocol import Case, Cell, Measured, Run, Subject, serve, steps, window


def load(case: Case, subject: Subject) -> Run:
    model = nanogpt.build(replace(case, precision="float32"), subject).train()
    decayed = [one for one in model.parameters() if one.dim() >= 2]
    plain = [one for one in model.parameters() if one.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.99), fused=case.device == "cuda")
    tokens = window(subject)
    half = torch.autocast(case.device, torch.bfloat16) if case.precision == "bfloat16" else nullcontext()

    def step() -> Tensor:
        with half:
            logits = model(tokens[:, :-1], every_position=True)
            loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        return loss.detach()

    def measured(cells: Sequence[Cell]) -> Measured:
        return steps(step)

    return measured


if __name__ == "__main__":
    serve(load)
