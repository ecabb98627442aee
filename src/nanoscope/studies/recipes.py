"""The named training recipes."""

from __future__ import annotations

from dataclasses import replace

from nanoscope.model.config import GPTConfig
from nanoscope.training.recipe import Recipe

QUICK_MODEL = Recipe(
    GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64),
    iterations=1500,
    batch_size=12,
    min_learning_rate=1e-4,
)
ECHO_CONTROL = Recipe(
    GPTConfig(n_layer=2, n_head=4, n_embd=128, block_size=64, attention_only=True),
    iterations=1800,
    batch_size=32,
    data="echo",
    learning_rate=3e-3,
    min_learning_rate=3e-3,
    weight_decay=0.0,
    checkpoint_every=10,
    dense_until=0,
)
SHAKESPEARE = Recipe(GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=128, dropout=0.2), precision="bfloat16")
"""With bfloat16 autocast, as in nanoGPT."""
SHAKESPEARE_CPU = replace(
    SHAKESPEARE,
    model=replace(SHAKESPEARE.model, dropout=0.1),
    batch_size=16,
    checkpoint_every=250,
)
"""A quarter of its windows. Dropout and learning rate were chosen by five trainings (docs/methods/training.md)."""

RECIPES = {
    "quick": QUICK_MODEL,
    "control": ECHO_CONTROL,
    "shakespeare": SHAKESPEARE,
    "shakespeare-cpu": SHAKESPEARE_CPU,
}
