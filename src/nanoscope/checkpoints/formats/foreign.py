"""Contents of other people's files: weights by role, settings by name, and what is left by the loss on a text.

A format gives its `Style`: what the program that writes such files always does, and what is special to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.formats.trained_positions import trained_positions
from nanoscope.checkpoints.formats.vocabulary_search import about, find_vocabulary
from nanoscope.checkpoints.reading.assembly import DEFAULT_EPS, assembled
from nanoscope.checkpoints.reading.facts import facts
from nanoscope.checkpoints.reading.losses import decide
from nanoscope.checkpoints.reading.parts import Parts, parts
from nanoscope.checkpoints.reading.questions import questions, settled, unanswered
from nanoscope.checkpoints.reading.readings import Reading, values
from nanoscope.checkpoints.reading.settings import asked, said
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.text.tokenizer import Tokenizer, require_tokenizer

POSITIONS = "transformer.wpe.weight"


@dataclass(frozen=True)
class Style:
    """How one program writes and computes its models."""

    name: str
    always: Mapping[str, Any] = field(default_factory=dict)
    """Fields that its code fixes and its files need not say."""
    answers: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Possible values where they are others than everywhere, the usual one first; a text decides."""
    keys: frozenset[str] = frozenset()
    """Settings that the format reads itself."""
    notes: tuple[str, ...] = ()
    longest: int | None = None
    """The context from which on the model does something else, such as attention to a window."""


GPT2_CODE = {
    "attention_scale": "d_head", "norm": "layer", "norm_position": "pre", "final_norm": True, "embedding_scale": "none",
    "fused_order": "parts", "norm_eps": DEFAULT_EPS,
}  # fmt: skip
"""What all programs that follow GPT-2 compute."""


def contents(source: Source, style: Style, weights: Mapping[str, Tensor] | None = None) -> Contents:
    """The contents of a file in a style; `weights` where the format had to change them first."""
    where = str(source.path)
    found = parts(source.weights if weights is None else weights, where)
    stated = said(source.tables, where, style.keys)
    known = facts(found, stated.readings, asked(source.said.settings), style.always, style.name, where)
    if "block_size" not in known:
        raise NanoscopeError(f"{where} does not say how long its context is; say it with --set block_size=N")
    known["block_size"], shortened = _shortened(known["block_size"], style)
    vocabulary, missing = find_vocabulary(source, len(found.embed), source.said.text)
    known, notes = _complete(source, found, known, style, vocabulary)
    _refuse_embedding_norm(known, where)
    config, named = assembled(found, values(known.values()))
    config, named, cut = without_untrained(config, named)
    training = source.plain("config")
    corpus = training.pop("dataset", None)
    return Contents(
        config,
        named,
        vocabulary,
        corpus if isinstance(corpus, str) else None,
        training,
        files.sha256((source.sha256 + files.canonical_json(config.stored())).encode()),
        (
            *style.notes,
            *shortened,
            *_unusual(found, known, config),
            *cut,
            *stated.notes,
            *notes,
            *about(vocabulary, config.vocab_size),
        ),
        missing,
        _shown(known, config),
    )


def without_untrained(
    config: GPTConfig, weights: Mapping[str, Tensor]
) -> tuple[GPTConfig, dict[str, Tensor], list[str]]:
    """The model with its trained positions only, and a note where some were not."""
    if POSITIONS not in weights:
        return config, dict(weights), []
    trained = trained_positions(weights[POSITIONS].float())
    if trained >= config.block_size:
        return config, dict(weights), []
    note = (
        f"its positions {trained} to {config.block_size - 1} were never trained (their embeddings are as at the start), "
        f"so it is read with a context of {trained}"
    )
    return replace(config, block_size=trained), {**weights, POSITIONS: weights[POSITIONS][:trained]}, [note]


def _complete(
    source: Source, found: Parts, known: dict[str, Reading], style: Style, vocabulary: Tokenizer | None
) -> tuple[dict[str, Reading], tuple[str, ...]]:
    """All that is known once the text has decided what was open; NanoscopeError where it is open and there is no text."""
    where, asked_of = str(source.path), questions(found, known, style.answers)
    known = known | settled(asked_of)
    open_questions = {name: answers for name, answers in asked_of.items() if name not in known}
    notes: tuple[str, ...] = ()
    if open_questions:
        if source.said.text is None:
            raise unanswered(open_questions, where)
        tokens = require_tokenizer(vocabulary, f"{where} has no vocabulary, so no text can be tried on it").encode(
            source.said.text
        )
        decision = decide(found, values(known.values()), open_questions, tokens, where, source.said.progress)
        known, notes = known | decision.readings, decision.notes
    if known["positions"].value == "rotary":
        known.setdefault("rotary_base", Reading("rotary_base", GPTConfig().rotary_base, "assumed"))
    known.setdefault("norm_eps", Reading("norm_eps", DEFAULT_EPS, "assumed"))
    return known, notes + _exact_gelu(known)


def _shown(known: Mapping[str, Reading], config: GPTConfig) -> tuple[Reading, ...]:
    """The readings that mean something, with the config's values."""
    idle = {name for name, one in known.items() if one.where == "assumed" and not hasattr(config, name)}
    resolved = {"n_inner": config.d_mlp}
    idle |= set() if config.positions == "rotary" else {"rotary_pairs", "rotary_base"}
    shown = {name: one for name, one in known.items() if name not in idle}
    return tuple(
        replace(one, value=resolved.get(name, getattr(config, name, one.value))) for name, one in shown.items()
    )


def _exact_gelu(known: Mapping[str, Reading]) -> tuple[str, ...]:
    """No text can tell the two GELUs apart."""
    if (
        "activation" in known
        and known["activation"].value == "gelu"
        and known["activation"].where in ("loss", "assumed")
    ):
        return ("assumed: the exact GELU; the tanh approximation predicts the same (--set activation=gelu_tanh)",)
    return ()


def _shortened(context: Reading, style: Style) -> tuple[Reading, list[str]]:
    """The context, cut to where the model is an ordinary one, and a note on that."""
    if style.longest is None or context.value <= style.longest:
        return context, []
    note = (
        f"beyond {style.longest} positions its attention sees a window only, so it is read with a context of {style.longest} "
        f"and not {context.value}"
    )
    return replace(context, value=style.longest), [note]


def _refuse_embedding_norm(known: Mapping[str, Reading], where: str) -> None:
    if "embedding_norm" in known and known["embedding_norm"].value != "none":
        one = known["embedding_norm"]
        raise NanoscopeError(
            f"{where} normalises its embeddings ({one.where} {one.runner_up}), which nanoscope cannot compute; "
            "if it does not, say --set embedding_norm=none"
        )


def _unusual(found: Parts, known: Mapping[str, Reading], config: GPTConfig) -> list[str]:
    """Notes on what was changed on the way, and on what differs from nanoGPT."""
    stored_norm = any(key.startswith("norm_f.") for key in found.final)
    partly = config.bias and not all("q.bias" in layer or "qkv.bias" in layer for layer in found.layers)
    unusual = {
        "the unembedding is not the embedding (untied head)": not known["tied_head"].value,
        "its head has a bias": config.head_bias,
        "it has no final norm": not config.final_norm and not stored_norm,
        "its final norm is stored and never applied": not config.final_norm and stored_norm,
        "it has no MLPs": config.attention_only,
        "biases that it lacks are zeros": partly,
        "its heads have no output map: it is the identity": not found.has("out.weight"),
        "its embeddings are multiplied by the root of their width, which is folded into the table": (
            known.get("embedding_scale", Reading("", "none", "")).value != "none"
        ),
    }
    return [note for note, holds in unusual.items() if holds]
