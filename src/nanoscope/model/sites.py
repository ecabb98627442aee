"""Names and axes of all activations, and `Site`, the name of a slice of one.

Names follow TransformerLens. `AXES` is the only table of axes in the package; indexing, patching sweeps, plots and
shape annotations all use it.
"""

from dataclasses import dataclass, fields

from nanoscope.errors import NanoscopeError

RESIDUAL = ("batch", "pos", "d_model")
PER_HEAD = ("batch", "pos", "head", "d_head")
ATTENTION = ("batch", "head", "query", "key")
HIDDEN = ("batch", "pos", "neuron")

AXES: dict[str, tuple[str, ...]] = {
    "embed": RESIDUAL,
    "pos_embed": RESIDUAL,
    "resid_pre": RESIDUAL,
    "q": PER_HEAD,
    "k": PER_HEAD,
    "v": PER_HEAD,
    "scores": ATTENTION,
    "pattern": ATTENTION,
    "z": PER_HEAD,
    "attn_out": RESIDUAL,
    "resid_mid": RESIDUAL,
    "pre": HIDDEN,
    "post": HIDDEN,
    "mlp_out": RESIDUAL,
    "resid_post": RESIDUAL,
    "ln_final": RESIDUAL,
}
WHOLE_MODEL = ("embed", "pos_embed", "ln_final")
MLP_SITES = ("resid_mid", "pre", "post", "mlp_out")


@dataclass(frozen=True)
class Site:
    """An activation or a slice of it: `Site("z", layer=3, head=5, pos=7)` prints as `L3H5.z[7]`.

    Every field but `name` may be None, meaning the whole axis; `layer` is None only for embed, pos_embed and ln_final.
    """

    name: str
    layer: int | None = None
    head: int | None = None
    pos: int | None = None
    query: int | None = None
    key: int | None = None
    neuron: int | None = None

    def __post_init__(self) -> None:
        if self.name not in AXES:
            raise NanoscopeError(f"no activation is called {self.name!r}; choose one of {', '.join(AXES)}")
        if (self.layer is None) != (self.name in WHOLE_MODEL):
            need = "takes no layer" if self.name in WHOLE_MODEL else "needs a layer"
            raise NanoscopeError(f"{self.name} {need}")
        wrong = [
            f.name for f in fields(self)[2:] if getattr(self, f.name) is not None and f.name not in AXES[self.name]
        ]
        if wrong:
            raise NanoscopeError(f"{self.name} has axes {' '.join(AXES[self.name])}, so it has no {wrong[0]} to select")

    @property
    def index(self) -> tuple[int | slice, ...]:
        """The index of the slice in the activation's tensor, one entry per axis; batch is never indexed."""
        chosen = (getattr(self, axis, None) for axis in AXES[self.name])
        return tuple(slice(None) if index is None else index for index in chosen)

    def __str__(self) -> str:
        layer = "" if self.layer is None else f"L{self.layer}"
        head = "" if self.head is None else f"H{self.head}"
        rest = [axis for axis in AXES[self.name] if axis in ("pos", "query", "key", "neuron")]
        parts = [":" if getattr(self, axis) is None else str(getattr(self, axis)) for axis in rest]
        where = "" if set(parts) == {":"} else f"[{','.join(parts)}]"
        return f"{layer}{head}{'.' if layer else ''}{self.name}{where}"
