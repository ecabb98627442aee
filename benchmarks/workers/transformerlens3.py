"""TransformerLens 3.9, the last release with `HookedTransformer`: one `run_with_hooks` per cell."""

from __future__ import annotations

from transformer_lens import HookedTransformer, HookedTransformerConfig

import hooked
from protocol import Case, Run, Subject, serve


def load(case: Case, subject: Subject) -> Run:
    shape = case.shape
    config = HookedTransformerConfig(
        n_layers=shape.n_layer,
        n_heads=shape.n_head,
        d_model=shape.n_embd,
        d_head=shape.d_head,
        d_mlp=4 * shape.n_embd,
        n_ctx=shape.block_size,
        d_vocab=shape.vocab_size,
        act_fn="gelu",
        normalization_type="LN",
        init_weights=False,
        device="cpu",
    )
    model = HookedTransformer(config)
    found = model.load_state_dict(hooked.weights(shape, subject), strict=False)
    buffers = [name for name in found.missing_keys if not name.endswith(("mask", "IGNORE"))]
    assert not buffers, f"weights that were not given: {buffers}"
    assert not found.unexpected_keys, f"weights without a place: {found.unexpected_keys}"
    return hooked.sweep(model.eval(), case, subject)


if __name__ == "__main__":
    serve(load, "transformer-lens", "transformers")
