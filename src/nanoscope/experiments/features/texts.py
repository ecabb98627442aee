"""Features, the texts: all of it for examples, a part to choose detectors on and a part to measure them on."""

from __future__ import annotations

from dataclasses import dataclass

from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.neurons.labels import labels
from nanoscope.experiments.neurons.search import Split
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows, windows

FEWEST_WINDOWS = 4


@dataclass(frozen=True)
class Texts:
    """The whole text with windows spread over it, and windows of its training and validation part with their concepts."""

    text: TokenizedText
    whole: Windows
    select: Split
    report: Split


def texts_of(subject: Subject, characters: int, each: int, least: int) -> Texts:
    """`characters` of the whole text and `each` of either part. Concepts that fewer than `least` of them have are left out.

    NanoscopeError if the text is too short.
    """
    context, corpus = subject.checkpoint.model.config.block_size, subject.corpus
    text, train, val = (subject.read(part) for part in (corpus.text, corpus.train, corpus.val))
    if len(val) <= FEWEST_WINDOWS * context:
        raise too_short(len(val), FEWEST_WINDOWS * context + 1, f"windows of {context}")
    most = (characters, max(each, 3 * context), each)
    whole, select, report = (
        windows(part.tokens, context, count, part.start) for part, count in zip((text, train, val), most, strict=True)
    )
    here, there, _ = labels((train, select), (val, report), least)
    return Texts(text, whole, Split(select, here), Split(report, there))
