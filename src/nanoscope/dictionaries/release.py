"""A dictionary in its published form: 16-bit floats, its measures beside its controls' and its twin's, and a card.

The card's text is in `dictionary_card.md.j2`; every number comes from the dictionary's record, in which `measured` holds the
rows of the table, and `fvu_unrounded` the held-out FVU before rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.coder import Coder
from nanoscope.dictionaries.measure import measured, measured_alone, plain, spread
from nanoscope.dictionaries.metrics import fidelity
from nanoscope.dictionaries.store import Dictionary, content, load
from nanoscope.errors import NanoscopeError
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.corpora.licences import terms
from nanoscope.text.windows import room

CARD = "README.md"
TEMPLATE = Template(
    Path(__file__).with_name("dictionary_card.md.j2").read_text(encoding="utf-8"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
TWIN = "dictionary of an untrained twin"
MEGABYTE = 1_000_000


def release(
    dictionary: Dictionary,
    twin: Dictionary,
    checkpoint: Checkpoint,
    corpus: Corpus,
    folder: Path,
    tokens: int = 65_536,
    progress: Progress = silent,
) -> Dictionary:
    """Write the release of a dictionary, beside the same fit on an untrained twin, and return it as loaded from the folder.

    NanoscopeError if the twin is none, or its recipe another one.
    """
    if twin.identity.get("twin") is None or _fitted(twin) != _fitted(dictionary):
        raise NanoscopeError("the second dictionary is no twin of the first; train it by the same command with --twin")
    if folder.exists():
        raise NanoscopeError(f"there is something in {folder} already; choose another folder or remove it")
    rounded = replace(dictionary, coder=halved(dictionary.coder))
    rows = [*measured(rounded, checkpoint, corpus, tokens, progress)]
    rows += [replace(row, coder=TWIN) for row in measured_alone(twin, checkpoint, corpus, tokens, progress)]
    unrounded = held_out_fvu(dictionary, checkpoint, corpus, tokens)
    record = {**dictionary.identity, "tokens_measured": tokens, "measured": plain(rows), "fvu_unrounded": unrounded}
    released = replace(rounded, identity=record)
    stored = content(released, half=True)
    with files.new_directory(folder) as temporary:
        for name, data in {**stored, CARD: card(released, corpus, folder, stored).encode()}.items():
            (temporary / name).write_bytes(data)
    return load(folder)


def _fitted(dictionary: Dictionary) -> tuple[Any, ...]:
    """What two trainings must share to be compared."""
    return str(dictionary.source), *(dictionary.identity.get(name) for name in ("recipe", "checkpoint", "corpus"))


def halved(coder: Coder) -> Coder:
    """The coder with weights rounded to 16 bits, as 32-bit floats."""
    rounded = Coder(coder.shape)
    rounded.load_state_dict({name: value.half().float() for name, value in coder.state_dict().items()})
    return rounded.eval().requires_grad_(False)


def held_out_fvu(dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus, tokens: int) -> float:
    """The FVU on the held-out windows that `measured` takes."""
    model, start = checkpoint.model, checkpoint.known_vocabulary.start
    held_out = spread(checkpoint.encode(corpus.val), room(model.config.block_size, start), tokens, start)
    parts = (dictionary.source.read(model, some[:, :-1]) for some in held_out.split(8))
    return fidelity(dictionary.coder, parts).fvu


def card(released: Dictionary, corpus: Corpus, folder: Path, stored: Mapping[str, bytes]) -> str:
    """The card, in Markdown, of a release in `folder`; `stored` maps file names to bytes."""
    shape, record = released.coder.shape, released.identity
    fvu = next(row["fvu"] for row in record["measured"] if row["part"] == "held-out text")
    return TEMPLATE.render(
        name=folder.name,
        place="/".join(part for part in (folder.parent.name, folder.name) if part),
        source=str(released.source),
        shape=shape,
        record=record,
        data=terms(corpus.name),
        rows=record["measured"],
        fvu=fvu,
        rounding=abs(fvu - record["fvu_unrounded"]),
        stored=[(name, len(data), files.sha256(data)) for name, data in stored.items()],
        megabytes=sum(map(len, stored.values())) / MEGABYTE,
    )
