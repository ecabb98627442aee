"""TransformerLens 4: `TransformerBridge.boot_native`, which its migration guide names for a custom configuration."""

from __future__ import annotations

from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

import hooked
from protocol import Case, Run, Subject, serve


def load(case: Case, subject: Subject) -> Run:
    shape = case.shape
    config = TransformerBridgeConfig(
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
    )
    model = TransformerBridge.boot_native(config)
    model.load_state_dict(convert_tl_checkpoint(hooked.weights(shape, subject), config))
    return hooked.sweep(model.eval(), case, subject)


if __name__ == "__main__":
    serve(load, "transformer-lens", "transformers")
