"""What a dictionary reads and writes, and the stream of activations that it is trained on.

The stream has no file: the text is read again and again from fresh random places, some windows at a time, into a buffer whose
rows are shuffled. A filling of the buffer depends on its number and the seed alone, so an interrupted training gets the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import EditingTap, Key, check_site
from nanoscope.model.arithmetic import norm_before
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site, mlp_reads
from nanoscope.seeds import seed_for
from nanoscope.text.windows import lead, room, windows_at
from nanoscope.training.recipe import Precision

SITES = ("resid_pre", "resid_mid", "resid_post", "z", "attn_out", "post", "mlp_out")
TRANSCODER = "mlp"
WINDOWS = 16
"""Windows that are read at a time: their activations stay in the processor's cache."""
BUFFER_BYTES = 2**27
"""The buffer's limit, 128 MiB; at least one batch."""
MOST_BATCHES = 16


class Pairs(NamedTuple):
    """Inputs and targets of a coder, in the same order. Of an autoencoder both are one tensor."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Source:
    """What a coder reads and reconstructs: an activation, or (a transcoder) the MLP's output from its normalised input.

    Its name is `resid_post.3`, `z.3` (all heads, concatenated), `z.3.2` (head 2 of layer 3), or `mlp.3`, a transcoder.
    """

    site: Site
    transcoder: bool = False

    @staticmethod
    def named(name: str) -> Source:
        """The source with this name; NanoscopeError if there is none."""
        kind, *numbers = name.split(".")
        known = kind in (*SITES, TRANSCODER) and all(number.isdecimal() for number in numbers)
        if not known or len(numbers) not in ((1, 2) if kind == "z" else (1,)):
            raise NanoscopeError(
                f"no dictionary can be trained at {name!r}; give NAME.LAYER, such as resid_post.3, with one of "
                f"{', '.join(SITES)}, or mlp.LAYER for a transcoder, or z.LAYER.HEAD for one head"
            )
        layer, *head = map(int, numbers)
        if kind == TRANSCODER:
            return Source(Site("mlp_out", layer), transcoder=True)
        return Source(Site(kind, layer, head=head[0] if head else None))

    def __str__(self) -> str:
        head = "" if self.site.head is None else f".{self.site.head}"
        return f"{TRANSCODER if self.transcoder else self.site.name}.{self.site.layer}{head}"

    @property
    def layer(self) -> int:
        assert self.site.layer is not None
        return self.site.layer

    def widths(self, model: GPT) -> tuple[int, int]:
        """Numbers in an input and in a target. NanoscopeError if the model has no such activation."""
        check_site(self.site, model, model.config.block_size)
        sizes = {"d_model": model.config.n_embd, "neuron": model.config.d_mlp, "d_head": model.config.d_head}
        axes = [axis for axis in self.site.axes if axis not in ("batch", "pos")]
        d_out = sizes[axes[-1]] * (model.config.n_head if "head" in axes else 1)
        return (model.config.n_embd if self.transcoder else d_out), d_out

    def keep(self, model: GPT) -> tuple[Key, ...]:
        """The activations that a run must keep for `pairs`."""
        reads = [(mlp_reads(model.config), self.layer)] if self.transcoder else []
        return ((self.site.name, self.layer), *reads)

    def pairs(self, model: GPT, kept: Mapping[Key, Tensor]) -> Pairs:
        """Inputs and targets `[batch pos d]` at every position, from activations that a run kept."""
        whole = kept[self.site.name, self.layer]
        y = (whole if self.site.head is None else whole[:, :, self.site.head]).flatten(2).float().cpu()
        norm = model.blocks[self.layer].ln_2
        if not self.transcoder or norm is None:
            return Pairs(y, y)
        return Pairs(norm_before(kept[mlp_reads(model.config), self.layer], norm).float().cpu(), y)

    def read(self, model: GPT, tokens: Int[Tensor, "batch pos"], precision: Precision = "float32") -> Pairs:
        """Inputs and targets at every position, `[batch pos d]`; later layers are not computed."""
        keep = self.keep(model)
        tap = EditingTap((), lambda name, layer: (name, layer) in keep)
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            value = model.embed(tokens.to(model.device), tap)
            for layer, block in enumerate(model.blocks[: self.layer + 1]):
                value = model.block(value, layer, block, tap)
            return self.pairs(model, tap.kept)

    def shaped(self, y: Float[Tensor, "*any d"], model: GPT) -> Tensor:
        """Targets with the axes of the site."""
        return y.unflatten(-1, (model.config.n_head, -1)) if "head" in self.site.axes else y


@runtime_checkable
class Stream(Protocol):
    """Activations to train on: filling `number` has `tokens` rows, in random order, always the same ones."""

    @property
    def widths(self) -> tuple[int, int]: ...
    @property
    def tokens(self) -> int: ...
    def filling(self, number: int) -> Pairs: ...


@dataclass(frozen=True)
class TextStream:
    """The activations of a model on windows at random places of a text."""

    model: GPT = field(repr=False)
    text: Int[Tensor, "pos"] = field(repr=False)
    source: Source
    batch: int
    seed: int
    precision: Precision = "float32"
    start: int | None = None
    """The start symbol, of a model that needs one."""

    def __post_init__(self) -> None:
        if len(self.text) <= room(self.model.config.block_size, self.start):
            raise NanoscopeError(
                f"the text has {len(self.text)} tokens, too few for windows of {self.model.config.block_size}; "
                "use a longer text"
            )

    @property
    def widths(self) -> tuple[int, int]:
        return self.source.widths(self.model)

    @property
    def tokens(self) -> int:
        """Rows of a filling: as many batches as the buffer's limit allows, at most 16."""
        width = sum(self.widths) if self.source.transcoder else self.widths[1]
        return self.batch * max(1, min(MOST_BATCHES, BUFFER_BYTES // (4 * width * self.batch)))

    def filling(self, number: int) -> Pairs:
        """Windows at random places, all their positions, in random order: rows are written where they will be used."""
        size = room(self.model.config.block_size, self.start)
        each = size + lead(self.start)
        generator = torch.Generator().manual_seed(seed_for("dictionary text", self.seed, number))
        begins = torch.randint(len(self.text) - size, (-(-self.tokens // each),), generator=generator)
        order = torch.randperm(len(begins) * each, generator=generator)
        y = torch.empty(self.tokens, self.widths[1])
        x = torch.empty(self.tokens, self.widths[0]) if self.source.transcoder else y
        for first in range(0, len(begins), WINDOWS):
            some = begins[first : first + WINDOWS]
            read = self.source.read(self.model, windows_at(self.text, some, size, self.start).tokens, self.precision)
            rows = order[first * each : (first + len(some)) * each]
            kept = rows < self.tokens
            y[rows[kept]] = read.y.flatten(0, 1)[kept]
            if self.source.transcoder:
                x[rows[kept]] = read.x.flatten(0, 1)[kept]
        return Pairs(x, y)
