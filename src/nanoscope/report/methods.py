"""What the runs say about the tools themselves: each verdict by a criterion that was fixed beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import capital, number, percent, written
from nanoscope.experiments.lenses.judge import never_above_half
from nanoscope.experiments.lenses.page import lens_table
from nanoscope.statistics.intervals import share_interval

Quality = Mapping[str, Mapping[str, bool]]
"""Of each figure that was drawn, which checks of `plots.quality` it passes."""
ANSWERS = {"supported": "yes", "not supported": "no", "undecided": "not decided"}


def section(study: Study, quality: Quality) -> str:
    """What the runs say about the tools themselves."""
    return "\n\n".join(
        [
            "## Methodological insights",
            "### Activation patching",
            _patching(study),
            "### Attention analysis",
            _attention(study, quality),
            "### Logit lens",
            _lens(study),
            "### Challenges encountered",
            _challenges(study),
        ]
    )


def _patching(study: Study) -> str:
    lines = []
    for label in (one for one in study.shown if study.role(one) in ("planted", "control")):
        result = study.result(label, "induction")
        if result is not None:
            right = result.finding("induction.localised").verdict == "supported"
            asked = (
                "Identifies the right components in" if study.role(label) == "planted" else "Names the copy's parts in"
            )
            lines.append(f"- {asked} {label}: **{'yes' if right else 'no'}**. "
                         f"{result.finding('induction.localised').text}")  # fmt: skip
    main = study.result(study.main, "induction")
    if main is not None:
        lines.append(f"- Cost: {main.finding('induction.cost').text}")
    lines.append(f"- Robustness across random seeds: {_robust(study, 'control', 'induction.localised')}")
    if _gates(study):
        lines.append("- Lesson: both directions are needed. Denoising alone would call the previous-token head useless, "
                     "noising alone would not show that it is useless by itself; together they show the AND of "
                     f"{_gates(study)}.")  # fmt: skip
    return "\n".join(lines)


def _robust(study: Study, role: str, claim: str) -> str:
    """In how many trainings of one kind a claim has the same verdict."""
    results = [study.result(label, claim.split(".", maxsplit=1)[0]) for label in study.with_role(role)]
    verdicts = [result.finding(claim).verdict for result in results if result is not None]
    if len(verdicts) < 2:
        return "not measured here; it takes several trainings (`nanoscope study control`)."
    verdict, count = Counter(verdicts).most_common(1)[0]
    low, high = share_interval(count, len(verdicts))
    return (
        f"*{verdict}* in {count} of {len(verdicts)} trainings of the {role} that differ in their seed (a share of "
        f"{number(count / len(verdicts))} [{number(low)}, {number(high)}])."
    )


def _gates(study: Study) -> str:
    """The models whose circuit is an AND gate, by its finding."""
    results = [(label, study.result(label, "induction")) for label in study.shown]
    found = [label for label, r in results if r is not None and r.finding("induction.and_gate").verdict == "supported"]
    return ", ".join(found)


def _attention(study: Study, quality: Quality) -> str:
    lines = [
        "- Pattern extraction works reliably: **yes**. Explicit attention equals the fused kernel on every model analysed; a "
        "model on which it does not is refused (`nanoscope check CHECKPOINT`).",
        *_heads(study),
        f"- Visualisation quality: {_pictures(quality)}",
    ]
    for label in study.shown:
        result = study.result(label, "induction")
        if result is not None:
            uniform = result["uniform"].sel(score="induction").values
            lines.append(f"- Uniform attention alone scores {number(uniform.min())} to {number(uniform.max())} on the "
                         f"sequences for {label}: no raw score is printed without it.")  # fmt: skip
    return "\n".join(lines)


def _heads(study: Study) -> list[str]:
    """What the head taxonomy says of itself."""
    result = study.result(study.main, "heads")
    if result is None:
        return ["- Categorisation accuracy: not measured here; `nanoscope run heads CHECKPOINT` does it."]
    right = result.finding("heads.categoriser")
    return [
        f"- Categorisation accuracy: **{number(right.evidence.value)}**. {right.text}",
        f"- Computational cost: {result.finding('heads.cost').text} {result.finding('heads.overhead').text}",
        f"- Robustness across random seeds: that most heads have a class is {_robust(study, 'model', 'heads.classified')}",
        f"- Lesson: {result.finding('heads.tokens').text} A score against uniform attention alone would call every head that "
        "looks a few characters back a reader of spaces.",
    ]


def _pictures(quality: Quality) -> str:
    """How many of the figures pass each check, and which do not."""
    if not quality:
        return "no figure was drawn."
    checks = list(next(iter(quality.values())))
    counts = ", ".join(f"{check} {sum(one[check] for one in quality.values())}" for check in checks)
    failing = [f"{figure} ({', '.join(c for c in checks if not one[c])})" for figure, one in quality.items() if
               not all(one.values())]  # fmt: skip
    rest = f" Failing: {'; '.join(failing)}." if failing else " All pass all."
    return f"each of the {len(quality)} figures of this report is checked as drawn ({counts}).{rest}"


def _lens(study: Study) -> str:
    lines = ["- At the last layer the lens is the model: **yes**, on every model analysed (a self-check)."]
    main = study.result(study.main, "lenses")
    if main is not None:
        reveals, meaningful = (main.finding(f"lenses.{name}") for name in ("reveals", "meaningful"))
        learned = [found.text for name in ("tuned", "computed") if (found := main.finding_if_any(f"lenses.{name}"))]
        lines = [
            f"- Reveals prediction formation: **{ANSWERS[reveals.verdict]}**. {reveals.text}",
            f"- Convergence measurements meaningful: **{ANSWERS[meaningful.verdict]}**. {meaningful.text}",
            f"- Robustness across random seeds: that the lens reveals how predictions form is "
            f"{_robust(study, 'model', 'lenses.reveals')}",
            f"- Computational overhead: {main.finding('lenses.cost').text} {main.finding('lenses.overhead').text}",
            *lines,
            f"- Direct contributions leave {float(main['writers_unexplained'].values):.1e} of the largest logit unexplained.",
            f"\nKL(model || lens) in nats, {study.main}, validation text:\n\n{lens_table(main)}\n",
            f"- Lesson: {_first_reading(main)}",
            *([f"- Lesson: {' '.join(learned)}"] if learned else []),
            "- Lesson: The top character's probability never comes to stay above one half in "
            f"{percent(never_above_half(main.sweeps), 0)} of predictions. A criterion made for words decides little for "
            "characters.",
        ]
    for label in study.shown:
        result = study.result(label, "induction")
        if result is not None:
            kl = result["lens"].sel(measure="kl").mean("example").values
            steps = " -> ".join(number(float(x)) for x in kl)
            lines.append(
                f"- {capital(label)}, on copied random sequences: KL(model || logit lens) by layer {steps} nats."
            )
    return "\n".join(lines)


def _first_reading(result: Result) -> str:
    """What the logit lens says before the first layer."""
    chances = result["reading_by_kind"].sel(lens="logit lens", layer=0, kind="all")
    current, following = (float(chances.sel(measure=measure).values) for measure in ("current", "next"))
    tied = "With a tied unembedding, before" if result.subject.config["tied_head"] else "Before"
    return (
        f"{tied} the first layer the logit lens gives the current character a probability of {number(current)} and the next "
        f"one {number(following)}: it reads what went in, not a prediction."
    )


def _challenges(study: Study) -> str:
    items = [
        "**A control that needs no induction head.** With two copied pairs in a window of 64, the control learned where "
        "copies must lie and formed no induction head. *Solution*: one pair, at a random distance. *Impact*: a control that "
        "only copying solves.",
        "**A wrong answer that spoils patching.** With the corrupt run's own prediction as the wrong answer, its removal "
        "counted as restored behaviour: on the planted model a head that restores nothing seemed to restore a third. "
        "*Solution*: the wrong answer is a symbol that stands nowhere in the text. *Impact*: on the planted model the "
        "effects are the known ones (a test).",
        "**A distance that looks like induction.** A head that looks back a fixed distance scores 1 at one block length, and "
        "a permutation test passes it. *Solution*: several lengths, the lowest counts; with one, no verdict. *Impact*: no "
        "position head is taken for an induction head (a test).",
    ]
    for label in study.with_role("control")[:1]:
        result = study.result(label, "induction")
        if result is not None and result.finding("induction.copying").verdict == "supported":
            e = result.finding("induction.copying").evidence
            raw = written(e.facts["raw"])
            items.append(f"**Raw weights are not what a head reads.** In {label}, {e.facts['head']}'s eigenvalue copying score "
                         f"is {raw} on the raw embeddings and {number(e.value)} on the embeddings that reach it. "
                         "*Solution*: measure it where the head reads. *Impact*: weights and behaviour are compared on "
                         "equal terms.")  # fmt: skip
    return "\n".join(f"{i}. {item}" for i, item in enumerate(items, start=1))
