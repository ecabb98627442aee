"""What a dictionary reads and writes, and the stream of activations that it is trained on.

The stream has no file: the text is read again and again from fresh random places, some windows at a time, into a buffer whose
rows are shuffled. A filling of the buffer depends on its number and the seed alone, so an interrupted training gets the same.
One pass through the model fills it for all dictionaries that are trained side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
BUFFER_BYTES = 2**28
"""The buffer's limit, 256 MiB; at least one batch."""
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
        return read_together(model, tokens, (self,), precision)[0]

    def shaped(self, y: Float[Tensor, "*any d"], model: GPT) -> Tensor:
        """Targets with the axes of the site."""
        return y.unflatten(-1, (model.config.n_head, -1)) if "head" in self.site.axes else y


def read_together(
    model: GPT, tokens: Int[Tensor, "batch pos"], sources: Sequence[Source], precision: Precision = "float32"
) -> list[Pairs]:
    """Inputs and targets of several sources at every position, from one pass; layers above all of them are not computed."""
    keep = {key for source in sources for key in source.keep(model)}
    tap = EditingTap((), lambda name, layer: (name, layer) in keep)
    with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        value = model.embed(tokens.to(model.device), tap)
        for layer, block in enumerate(model.blocks[: 1 + max(source.layer for source in sources)]):
            value = model.block(value, layer, block, tap)
        return [source.pairs(model, tap.kept) for source in sources]


@runtime_checkable
class Stream(Protocol):
    """Activations to train on: filling `number` has `tokens` rows, in random order, always the same ones."""

    @property
    def widths(self) -> tuple[int, int]: ...
    @property
    def tokens(self) -> int: ...
    def filling(self, number: int) -> Pairs: ...


@dataclass
class Harvest:
    """The activations of a model at some sources, on windows at random places of a text; the last filling is kept."""

    model: GPT = field(repr=False)
    text: Int[Tensor, "pos"] = field(repr=False)
    sources: tuple[Source, ...]
    batch: int
    seed: int
    precision: Precision = "float32"
    start: int | None = None
    """The start symbol, of a model that needs one."""
    _number: int = field(default=-1, init=False, repr=False)
    _kept: Mapping[Source, Pairs] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.text) <= room(self.model.config.block_size, self.start):
            raise NanoscopeError(
                f"the text has {len(self.text)} tokens, too few for windows of {self.model.config.block_size}; "
                "use a longer text"
            )

    @property
    def tokens(self) -> int:
        """Rows of a filling: as many batches as the buffer's limit allows, at most 16."""
        widths = [sum(s.widths(self.model)) if s.transcoder else s.widths(self.model)[1] for s in self.sources]
        return self.batch * max(1, min(MOST_BATCHES, BUFFER_BYTES // (4 * sum(widths) * self.batch)))

    def filling(self, number: int) -> Mapping[Source, Pairs]:
        """Windows at random places, all their positions, in random order, by source."""
        if number != self._number:
            self._kept = {}  # before the next one takes as much memory again
            self._number, self._kept = number, self._read(number)
        return self._kept

    def _read(self, number: int) -> Mapping[Source, Pairs]:
        """A filling; rows are written where they will be used."""
        size = room(self.model.config.block_size, self.start)
        each = size + lead(self.start)
        generator = torch.Generator().manual_seed(seed_for("dictionary text", self.seed, number))
        begins = torch.randint(len(self.text) - size, (-(-self.tokens // each),), generator=generator)
        order = torch.randperm(len(begins) * each, generator=generator)
        filled = {source: self._empty(source) for source in self.sources}
        for first in range(0, len(begins), WINDOWS):
            some = begins[first : first + WINDOWS]
            windows = windows_at(self.text, some, size, self.start).tokens
            rows = order[first * each : (first + len(some)) * each]
            kept = rows < self.tokens
            read = read_together(self.model, windows, self.sources, self.precision)
            for to, of in zip(filled.values(), read, strict=True):
                to.y[rows[kept]] = of.y.flatten(0, 1)[kept]
                if to.x is not to.y:
                    to.x[rows[kept]] = of.x.flatten(0, 1)[kept]
        return filled

    def _empty(self, source: Source) -> Pairs:
        d_in, d_out = source.widths(self.model)
        y = torch.empty(self.tokens, d_out)
        return Pairs(torch.empty(self.tokens, d_in) if source.transcoder else y, y)


@dataclass(frozen=True)
class TextStream:
    """What a harvest reads at one of its sources."""

    harvest: Harvest
    source: Source

    @staticmethod
    def of(
        model: GPT,
        text: Int[Tensor, "pos"],
        source: Source,
        batch: int,
        seed: int,
        precision: Precision = "float32",
        start: int | None = None,
    ) -> TextStream:
        """The stream of one source alone."""
        return TextStream(Harvest(model, text, (source,), batch, seed, precision, start), source)

    @property
    def widths(self) -> tuple[int, int]:
        return self.source.widths(self.harvest.model)

    @property
    def tokens(self) -> int:
        return self.harvest.tokens

    def filling(self, number: int) -> Pairs:
        return self.harvest.filling(number)[self.source]
