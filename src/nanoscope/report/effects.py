"""Effects over trainings: one table and one forest plot of all claims that were measured on several trainings, and their file.

The text is in `effects.md.j2`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nanoscope import experiments
from nanoscope.evidence.effect import Effect
from nanoscope.evidence.finding import DECIDED
from nanoscope.evidence.markdown import table
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.wording import fill_file, number
from nanoscope.experiments import open_experiment
from nanoscope.experiments.claims_table import SHORT, alone, interval
from nanoscope.plots.forest import Row
from nanoscope.report.matched import matched

FIGURE = "figures/effects_forest.png"
LEAST = 0.001
"""A smaller p-value is only said to be smaller."""


def section(study: Study) -> str:
    """The section; empty where no claim was measured on several trainings."""
    found = over_trainings(study)
    if not found:
        return ""
    values = {
        "table": _table(found),
        "figure": FIGURE,
        "main": _recipe(study),
        "trainings": max(len(effect.findings) for effect in found),
        "taken": [effect.sentence.rstrip(".") for effect in study.spread.values() if effect.taken_back],
        "primary": sum(effect.family == "primary" for effect in _tested(study)),
        "secondary": sum(effect.family == "secondary" for effect in _tested(study)),
        "alone": sum(effect.verdict in DECIDED and not effect.agreeing for effect in found),
        "consistency": consistency(found),
        "matched": matched(study),
    }
    return fill_file(Path(__file__).with_suffix(".md.j2"), values)


def over_trainings(study: Study) -> list[Effect]:
    """The effects of which several trainings are a sample, in the order of the report's sections."""
    return [row.effect for row in rows(study)[0]]


@dataclass(frozen=True)
class Consistency:
    """How many decided claims every single training decides as all do together."""

    claims: int
    alike: tuple[int, ...]
    """By training, in the order of the seeds."""

    @property
    def share(self) -> float:
        return sum(self.alike) / (self.claims * len(self.alike))


def consistency(found: list[Effect]) -> Consistency | None:
    """Over the claims that are decided and that every training was asked; None if there are none."""
    trainings = max((len(effect.findings) for effect in found), default=0)
    decided = [one for one in found if one.verdict in DECIDED and len(one.findings) == trainings]
    alike = tuple(sum(one.findings[at].verdict == one.verdict for one in decided) for at in range(trainings))
    return Consistency(len(decided), alike) if decided else None


def rows(study: Study) -> tuple[list[Row], str]:
    """The rows of the forest plot, under the titles of their findings, and its title."""
    pages = {name: open_experiment(name).page for name in experiments.EXPERIMENTS}
    pooled = [effect for effect in study.spread.values() if effect.spread]
    found = [
        Row(page.title, effect)
        for name, page in pages.items()
        for effect in pooled
        if page and name == _experiment(effect)
    ]
    return found, f"{_recipe(study)}: effects over its trainings"


def stored(study: Study) -> list[dict[str, Any]]:
    """The effects of every recipe and comparison as plain values, for `effects.json`. P-values are adjusted over all that the
    page is about together, and within each other recipe."""
    told = {(_about(study, effect), effect.claim): effect for effect in study.effects.values()}
    others = [one for one in study.results if study.main_result(one.experiment) is not one]
    for name, result in {_name(one.subject): one for one in others}.items():
        for claim, effect in study.recipe(result).items():
            told.setdefault((name, claim), effect)
    return [_plain(name, effect) for (name, _), effect in told.items()]


def _about(study: Study, effect: Effect) -> str:
    """The recipe or comparison that one of the page's effects is of."""
    result = study.main_result(_experiment(effect))
    assert result is not None, "an effect is of a result"
    return _name(result.subject)


def _plain(recipe: str, effect: Effect) -> dict[str, Any]:
    """One effect; what is not defined is null."""
    evidence, spread = effect.evidence, effect.spread
    numbers = {
        "value": evidence.value,
        "low": evidence.interval[0],
        "high": evidence.interval[1],
        "deviation": spread.deviation if spread else math.nan,
        "within": spread.within if spread else math.nan,
        "icc": spread.icc if spread else math.nan,
        "p": effect.p,
        "adjusted": effect.adjusted,
    }
    return {
        "recipe": recipe,
        "claim": effect.claim,
        "sentence": effect.sentence,
        "family": effect.family,
        "criterion": asdict(effect.criterion),
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "n": evidence.n,
        "unit": evidence.unit,
        "trainings": len(effect.findings),
        "supporting": effect.supporting,
        "alone": effect.plain,
        "verdict": effect.verdict,
    }


def _table(found: list[Effect]) -> str:
    """One row a claim; primary ones in bold."""
    head = ["claim", "mean [95 %]", "sd", "ICC", "alone", "p", "verdict"]
    return table(head, [_row(effect) for effect in found])


def _row(effect: Effect) -> list[str]:
    spread = effect.spread
    sentence = effect.sentence.rstrip(".")
    return [
        f"**{sentence}**" if effect.family == "primary" else sentence,
        interval(effect),
        number(spread.deviation, 2) if spread else "",
        f"{spread.icc:.2f}" if spread and math.isfinite(spread.icc) else "",
        alone(effect),
        p_text(effect.adjusted),
        f"{SHORT[effect.verdict]} (alone: {SHORT[effect.plain]})" if effect.taken_back else SHORT[effect.verdict],
    ]


def p_text(p: float) -> str:
    """A p-value with two digits; a small one is only said to be small."""
    return f"<{LEAST:g}" if p < LEAST else f"{p:.2g}"


def _tested(study: Study) -> list[Effect]:
    return [effect for effect in study.spread.values() if not math.isnan(effect.p)]


def _recipe(study: Study) -> str:
    return _name(study.subject(study.replicates[0]))


def _name(subject: StoredSubject) -> str:
    return subject.family or subject.label


def _experiment(effect: Effect) -> str:
    return effect.claim.split(".", maxsplit=1)[0]
