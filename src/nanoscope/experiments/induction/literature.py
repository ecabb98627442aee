"""When, where and how many induction heads form in each kind of model: cells for the comparison with the literature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import ROLES, Study
from nanoscope.evidence.wording import written

Labels = tuple[str, ...]


def comparison(study: Study) -> Mapping[str, list[str]]:
    """The cells of every row, one per kind of model, counted over its trainings."""
    kinds = _kinds(study)
    return {
        "columns": [_column(study, labels) for labels in kinds],
        "emergence": [_emergence(study, labels) for labels in kinds],
        "layers": [_each(study, labels, _layer) for labels in kinds],
        "heads": [_each(study, labels, _count) for labels in kinds],
    }


def _kinds(study: Study) -> list[Labels]:
    """The columns: analysed models by their recipe, which are never counted together, and all others by their role."""
    recipes: dict[str, Labels] = {}
    for label in study.with_role(ROLES[0]):
        recipe = study.subject(label).family or label
        recipes[recipe] = (*recipes.get(recipe, ()), label)
    return [*recipes.values(), *(labels for role in ROLES[1:] if (labels := study.with_role(role)))]


def _column(study: Study, labels: Labels) -> str:
    """The column's heading: one model, its number of trainings, or several models of different recipes or texts."""
    models = list(dict.fromkeys(study.subject(label).family or label for label in labels))
    if len(labels) == 1:
        return labels[0]
    return " and ".join(models) if len(models) > 1 else f"{models[0]}, {len(labels)} trainings"


def _each(study: Study, labels: Labels, cell: Callable[[Result], str]) -> str:
    """The trainings' cells, each different one once with its count."""
    results = [study.result(label, "induction") for label in labels]
    cells = ["`nanoscope run induction`" if result is None else cell(result) for result in results]
    return _counted(cells, len(labels))


def _counted(texts: Sequence[str], trainings: int) -> str:
    if trainings < 2:
        return "".join(texts)
    return "; ".join(f"{text} ({count} of {trainings})" for text, count in Counter(texts).most_common())


def _layer(result: Result) -> str:
    heads, layers = result.finding("induction.heads"), result.subject.config["n_layer"]
    if heads.verdict == "supported":
        return f"L{heads.evidence.facts['layer']} of {layers} layers"
    return f"none of {layers} layers" if heads.verdict == "not supported" else "cannot tell"


def _count(result: Result) -> str:
    return written(result.finding("induction.heads").evidence.facts["count"])


def _emergence(study: Study, labels: Labels) -> str:
    """Between which iterations induction heads form, and after how many none has formed."""
    results = [result for label in labels if (result := study.result(label, "emergence")) is not None]
    if not results:
        return "not trained" if study.role(labels[0]) == "planted" else "`nanoscope run emergence`"
    forms = [(result, result.finding("emergence.forms")) for result in results]
    formed = [result for result, finding in forms if finding.verdict == "supported"]
    without = [_without(finding) for _, finding in forms if finding.verdict != "supported"]
    cells = [_counted(without, len(results))] if without else []
    return "; ".join([*cells, _formed(formed, len(results))] if formed else cells)


def _without(forms: Finding) -> str:
    none = "none" if forms.verdict == "not supported" else "cannot tell"
    return f"{none} within {written(forms.evidence.facts['steps'])} iterations"


def _formed(results: Sequence[Result], trainings: int) -> str:
    """The iterations of 10 and of 90 % of the change, as ranges over trainings."""
    starts, ends = ([_step(result, part) for result in results] for part in ("ten", "ninety"))
    training, config = results[0].subject.training, results[0].subject.config
    tokens = max(ends) * training["batch_size"] * training["accumulation"] * config["block_size"]
    most = " at most" if len(results) > 1 else ""
    count = f"; {len(results)} of {trainings}" if trainings > 1 else ""
    return f"iteration {_span(starts)} to {_span(ends)} ({tokens / 1e6:.1f}M tokens{most}{count})"


def _step(result: Result, part: str) -> int:
    return round(float(result["events"].sel(event="induction head", part=part).values))


def _span(steps: Sequence[int]) -> str:
    """One iteration, or the range of several."""
    first, last = min(steps), max(steps)
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"
