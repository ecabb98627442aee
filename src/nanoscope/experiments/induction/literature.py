"""When and where induction heads form, and how many: the literature's numbers beside ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import ROLES, Study
from nanoscope.evidence.wording import written


def section(study: Study) -> str:
    """A column for each kind of model, counted over its trainings, and one for the literature."""
    roles = [role for role in ROLES if study.with_role(role)]
    head = f"| | {' | '.join(_column(study, role) for role in roles)} | literature |\n|---|" + "---|" * (len(roles) + 1)
    rows = [
        f"| {name} | {' | '.join(cell(study, list(study.with_role(role))) for role in roles)} | {literature} |"
        for name, (cell, literature) in _ROWS.items()
    ]
    return "\n".join(["### Comparison to the literature", "", head, *rows])


def _column(study: Study, role: str) -> str:
    """The model that was trained once, or several times; or the models, where they are of different recipes or texts."""
    labels = study.with_role(role)
    models = list(dict.fromkeys(study.subject(label).family or label for label in labels))
    if len(labels) == 1:
        return labels[0]
    return " and ".join(models) if len(models) > 1 else f"{models[0]}, {len(labels)} trainings"


def _each(cell: Callable[[Study, str], str]) -> Callable[[Study, list[str]], str]:
    """A cell that says what each training says, each thing once, with how many say it."""
    return lambda study, labels: _counted([cell(study, label) for label in labels], len(labels))


def _counted(texts: list[str], trainings: int) -> str:
    if trainings < 2:
        return "".join(texts)
    return "; ".join(f"{text} ({count} of {trainings})" for text, count in Counter(texts).most_common())


def _emergence(study: Study, labels: list[str]) -> str:
    """When induction heads form: each training's 10 and 90 %, from the earliest to the latest."""
    results = {label: study.result(label, "emergence") for label in labels}
    measured = {label: result for label, result in results.items() if result is not None}
    if not measured:
        return "not trained" if study.role(labels[0]) == "planted" else "`nanoscope run emergence`"
    formed, without = {}, []
    for label, result in measured.items():
        forms = result.finding("emergence.forms")
        if forms.verdict == "supported":
            formed[label] = [_step(result, part) for part in ("ten", "ninety")]
        else:
            none = "none" if forms.verdict == "not supported" else "undecided"
            without.append(f"{none} within {written(forms.evidence.facts['steps'])} iterations")
    told = [_counted(without, len(measured))] if without else []
    if formed:
        starts, ends = zip(*formed.values(), strict=True)
        tokens = _tokens(study, next(iter(formed)), max(ends))
        most = f"{tokens / 1e6:.1f}M tokens{' at most' * (len(formed) > 1)}{_of(len(formed), len(measured))}"
        told.append(f"iteration {_span(starts)} to {_span(ends)} ({most})")
    return "; ".join(told)


def _step(result: Result, part: str) -> int:
    return round(float(result["events"].sel(event="induction head", part=part).values))


def _span(steps: Sequence[int]) -> str:
    """One iteration, or those between which several lie."""
    first, last = min(steps), max(steps)
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"


def _tokens(study: Study, label: str, step: int) -> int:
    training = study.subject(label).training
    return step * training["batch_size"] * training["accumulation"] * study.subject(label).config["block_size"]


def _of(count: int, trainings: int) -> str:
    return "" if trainings == 1 else f"; {count} of {trainings}"


def _layer(study: Study, label: str) -> str:
    result = study.result(label, "induction")
    if result is None:
        return "`nanoscope run induction`"
    heads = result.finding("induction.heads")
    layers = study.subject(label).config["n_layer"]
    if heads.verdict != "supported":
        return f"none of {layers} layers" if heads.verdict == "not supported" else "undecided"
    return f"L{heads.evidence.facts['layer']} of {layers} layers"


def _count(study: Study, label: str) -> str:
    result = study.result(label, "induction")
    return (
        "`nanoscope run induction`"
        if result is None
        else str(result.finding("induction.heads").evidence.facts["count"])
    )


_ROWS: dict[str, tuple[Callable[[Study, list[str]], str], str]] = {
    "Emergence": (
        _emergence,
        "1 to 3 billion tokens in small models (Olsson et al. 2022), which is 1,000 to 3,000 of *their* steps of about 1M "
        "tokens; no iteration number carries over",
    ),
    "Layer of the strongest induction head": (
        _each(_layer),
        "last layer in attention-only models, second to last in 5- and 6-layer models with MLPs (Olsson et al. 2022), "
        "mid-depth in GPT-2",
    ),
    "Number of induction heads": (
        _each(_count),
        "often one in 2-layer attention-only models; five strong ones and a tail in GPT-2 small",
    ),
}
