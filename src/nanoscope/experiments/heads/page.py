"""Finding 2 of the report: what each attention head does."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.markdown import (
    evidence_table,
    heading,
    link,
    not_measured,
    over_trainings,
    picture,
    said,
    status,
)
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.chapters import FINDING_2
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name

METHOD = """### Methodology

1. **Classes.** Each head's attention is scored in every class: fixed places (the token k back, the current one, the first one),
   and keys that the text names (an earlier newline, space, punctuation mark or colon, the last space, the start of the
   current word, the speaker's name, an earlier same character, what followed it). A score of 0 is chance, 1 is all attention.
2. **Chance** is uniform attention over the same queries; for classes of the second kind also the head's own attention laid
   over other windows' texts, so that looking at a distance is not taken for reading.
3. **Names.** A head is called by the class with its largest score, if that is significant over all heads and classes (max-T
   over permutations) and at least 0.3 (strong: 0.6); else it has no class. Chosen on one half of the windows, reported on
   the other. Planted heads of every class and strength test the categoriser.
4. **Weights.** Composition of every earlier with every later head beside pairs that cannot compose; what each head raises after
   attending to each character (OV), with the embeddings that reach it.
5. **Causes.** Mean ablation of each class's heads beside as many others of the same layers."""

PICTURES = {
    "model": ("taxonomy", "grid", "cards", "ablation", "composition", "planted"),
    "control": ("taxonomy", "cards"),
    "planted": (),
}
TOP = 8


def section(study: Study) -> str:
    """The whole of finding 2."""
    parts = [
        "## Finding 2: Attention head specialisation",
        f"**Status**: {status(study, 'heads', 'classified')}  \n**Notebook**: `experiments/02_attention_patterns.ipynb`",
        "### Hypothesis\n\nDifferent heads specialise in different patterns: the previous token, positions, what the text "
        "says.",
        METHOD,
        "### Results",
        *(_model(study, label) for label in study.shown),
        _interpretation(study),
    ]
    return "\n\n".join(part for part in parts if part)


def _model(study: Study, label: str) -> str:
    """One model's results."""
    result = study.result(label, "heads")
    if result is None:
        return not_measured(study, label, "heads")
    texts = {
        "The heads": said(result, "classified", "focus"),
        "Classes": f"{said(result, 'previous', 'offsets', 'tokens')} {_properties(result)}",
        "Weights": f"{said(result, 'composition')} {_writes(result)}",
        "Causes": said(result, "ablation"),
        "The categoriser": said(result, "categoriser"),
    }
    paragraphs = [f"**{name}.** {text} ([evidence]({link(result)}))" for name, text in texts.items()]
    pictures = [picture(study, label, f"heads_{name}") for name in PICTURES[study.role(label)]]
    return "\n\n".join([heading(study, label), *paragraphs, _table(result), *pictures, evidence_table(result)])


def _properties(result: Result) -> str:
    """The most positional head and the broadest, and whether the first token is a sink."""
    positional, breadth = result["positional"].values, result["breadth"].values
    untrained = result["untrained_positional"].values
    most, widest = (np.unravel_index(values.argmax(), values.shape) for values in (positional, breadth))
    first = result["scores_report"].sel(cls="first token").values
    sink = np.unravel_index(first.argmax(), first.shape)
    value = float(result["first_value"].values[sink])
    return (
        f"Position alone explains most of {_name(most)}'s scores ({number(positional[most])} of their variance; untrained "
        f"models: {number(untrained.min())} to {number(untrained.max())}). {_name(widest)} is the broadest "
        f"({number(breadth[widest])} of uniform attention's entropy). The first token gets most from {_name(sink)} "
        f"({number(first[sink])} above uniform); what that head would write for it is {number(value)} times as large as for "
        "the average token."
    )


def _writes(result: Result) -> str:
    """What the clearest heads look at and raise most, character by character, by their weights."""
    symbols = [_spoken(str(symbol)) for symbol in result["symbols"].labels("symbol")]
    parts = []
    for layer, head in _shown(result)[:4]:
        (query, key, score), (source, target, logits) = (
            result[table].values[layer, head, 0] for table in ("qk_strongest", "ov_strongest")
        )
        if not np.isnan(score + logits):
            parts.append(
                f"{head_name(layer, head)} looks most from {symbols[int(query)]} at {symbols[int(key)]}, and raises "
                f"{symbols[int(target)]} after attending to {symbols[int(source)]} ({logits:+.2f} logits)"
            )
    return f"Character by character, by the weights: {'; '.join(parts)}." if parts else ""


def _table(result: Result) -> str:
    """The heads with the clearest classes, and what comes second."""
    classes = [str(name) for name in result["scores_report"].labels("cls")]
    report, p, copying = result["scores_report"].values, result["p"].values, result["copying"].values
    rows = []
    for layer, head in _shown(result)[:TOP]:
        order = np.argsort(-report[:, layer, head], kind="stable")
        label = int(result["label"].values[layer, head])
        own = label if label >= 0 else int(order[0])
        second = next(int(i) for i in order if i != own)
        rows.append(
            f"| {head_name(layer, head)} | {classes[own] if label >= 0 else 'none'} | {number(report[own, layer, head])} | "
            f"{number(float(p[own, layer, head]))} | {classes[second]} {number(report[second, layer, head])} | "
            f"{number(float(copying[layer, head]))} |"
        )
    head = "| head | class | above chance | p over all heads, classes | next | OV copies (-1 to 1) |\n|---|---|---|---|---|---|"
    return head + "\n" + "\n".join(rows)


def _shown(result: Result) -> list[tuple[int, int]]:
    """All heads, those with a class first, by how clear they are."""
    report, label = result["scores_report"].values, result["label"].values.astype(int)
    own = np.take_along_axis(report, np.maximum(label, 0)[None], axis=0)[0]
    clear = np.where(label >= 0, 10 + own, report.max(axis=0))
    order = np.argsort(-clear, axis=None, kind="stable")
    return [(int(i // label.shape[1]), int(i % label.shape[1])) for i in order]


def _interpretation(study: Study) -> str:
    result = study.result(study.main, "heads")
    if result is None:
        return ""
    share = result.finding("heads.classified")
    sentence = {
        "supported": f"Most heads of {study.main} specialise in one of the classes.",
        "not supported": f"Most heads of {study.main} belong to none of the classes: what they attend to is broader than these "
        "names, or follows something that they do not name.",
        "undecided": f"Whether most heads of {study.main} specialise is not decided.",
    }[share.verdict]
    seeds = f"That most heads have a class is {share.verdict}{over_trainings(study, share.id)}."
    return (
        f"### Interpretation\n\n{sentence} {seeds} A name describes where attention goes on this text, no more: what a head "
        "is for "
        "is a matter of ablation and patching, and heads do several things at once. The same instrument names planted heads as "
        "the last paragraph of each model says.\n\n### Implications for AI safety\n\nSmall. Names of heads are a map, not an "
        "explanation; that a share of heads has none, at a stated criterion, is worth as much as the names."
    )


def _name(at: tuple) -> str:
    return head_name(int(at[0]), int(at[1]))


def _spoken(symbol: str) -> str:
    return {"\n": "a newline", " ": "a space"}.get(symbol, f"`{symbol}`")


PAGE = Page(FINDING_2, section)
