"""One line for each question about a model, from what was measured: yes, no, or cannot tell, and why.

What counts was fixed beforehand, here and nowhere else; the values are those of the claims of the experiment `induction`.
A yes takes an interval that lies wholly at or above the threshold, a no one that lies wholly below it. Absence is one-sided:
a head that attends *less* than by chance to where an induction head looks is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.prediction.effective_context import ContextCost
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import SIGNIFICANT
from nanoscope.experiments.induction.select import STRONG_ENOUGH
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import mean_interval, statistic_interval
from nanoscope.views.look import JUDGED, Copying, Lens, Look, Unmeasured
from nanoscope.views.look_heads import HeadClasses

LookReply = Literal["yes", "no", "cannot tell"]
Found = TypeVar("Found")

COPIES = 0.05
"""Nats that an earlier occurrence must be worth, where copying is right, for a model to copy."""
AN_INDUCTION_HEAD = STRONG_ENOUGH.threshold
"""The share of attention above chance from which a head is an induction head."""
NO_INDUCTION_HEAD = 0.05
"""The share of attention above chance below which the best head must lie for there to be none, not even a weak one."""
FEWEST_PLACES, FEWEST_WINDOWS = 30, 8
"""From fewer places or windows nothing is concluded."""
FIRST = 3
"""How many of the costliest components, and of the costliest heads, are named."""
UNUSED = 0.01
"""Nats per token: a longer context that gains less than this is not used."""
HALF = 0.5
COVERED = 0.05
"""Nats by which heads must cost more together than the sum of each alone to cover for one another."""


@dataclass(frozen=True)
class LookAnswer:
    """A question's answer in one line; `verdict` is None where the answer is no yes or no."""

    question: str
    verdict: LookReply | None
    text: str


def verdict(low: float, high: float, yes: float, no: float) -> LookReply:
    """Yes from an interval at or above `yes`, no from one below `no`."""
    return "yes" if low >= yes else "no" if high < no else "cannot tell"


def answers(look: Look) -> tuple[LookAnswer, ...]:
    """Every question's answer."""
    unit = unit_of(look)
    return (
        how_good(look.loss, unit),
        _measured("How far back does it read?", look.context, lambda found: how_far_back(found, unit)),
        where_decided(look.lens),
        _measured("Does it copy from its context?", look.copying, lambda found: does_it_copy(found, unit)),
        _measured("Has it an induction head?", look.heads, lambda found: has_induction_head(found, look.copying)),
        what_matters(look.ablation, unit),
    )


def three(value: float) -> str:
    """A value with three decimals; one that rounds to zero has no sign."""
    return f"{round(value, 3) + 0.0:.3f}"


def unit_of(look: Look) -> str:
    """What a token is: a character, unless the tokenizer has longer ones."""
    names = look.checkpoint.known_vocabulary.names(look.checkpoint.model.config.vocab_size)
    return "character" if np.median([len(name) for name in names]) == 1 else "token"


def how_good(loss: Sweep, unit: str = "character") -> LookAnswer:
    """The loss beside that of n-gram tables at the same places."""
    model, tables = loss.values[0], loss.values[1:]
    best = int(tables.mean(1).argmin())
    low, high = mean_interval(model - tables[best], "how good")
    difference, order = float((model - tables[best]).mean()), best + 1
    beaten = [n for n, table in enumerate(tables, 1) if mean_interval(model - table, "how good")[1] < 0]
    if high < 0:
        compared = f"better than every table, by {three(-difference)} or more [{three(-high)}, {three(-low)}]"
    elif low > 0:
        compared = f"worse than the {order}-gram table by {three(difference)} [{three(low)}, {three(high)}]"
    else:
        compared = (
            f"no better than the {order}-gram table (difference {three(difference)} [{three(low)}, {three(high)}])"
        )
    if beaten and high >= 0:
        compared += f", better than the {max(beaten)}-gram table"
    listed = ", ".join(f"{n}: {table.mean():.2f}" for n, table in enumerate(tables, 1))
    mean = float(model.mean())
    said = f"{three(mean)} nats per {unit} ({mean / np.log(2):.2f} bits)"
    text = f"{said} on validation text: {compared}. n-gram tables: {listed}."
    return LookAnswer("How good is it?", None, text)


def how_far_back(found: ContextCost, unit: str = "character") -> LookAnswer:
    """The shortest cut of the context from which on nothing more than `UNUSED` is gained."""
    lengths = [int(length) for length in found.cost.labels("context")]
    costs = [float(row.mean()) for row in found.cost.values]
    intervals = [mean_interval(row, "context") for row in found.cost.values]

    def cost(i: int) -> str:
        low, high = intervals[i]
        return f"{three(costs[i])} nats [{three(low)}, {three(high)}]"

    needed = [i for i, value in enumerate(costs) if value >= UNUSED]
    last = needed[-1] + 1 if needed else 0
    certain = [lengths[i] for i, (low, _) in enumerate(intervals) if low >= UNUSED]
    surely = f", and certainly more than {certain[-1]}" if certain else ""
    if last == len(lengths):
        beyond = f"more than {lengths[-1]} {unit}s"
        about = beyond.capitalize() if lengths[-1] in certain else f"Perhaps {beyond}{surely}"
        text = f"{about}: to see no more than these costs {cost(last - 1)}."
        return LookAnswer("How far back does it read?", None, text)
    before = f" ({lengths[last - 1]}: {cost(last - 1)})" if last else ""
    about = f"About {lengths[last]} {unit}{'s' * (lengths[last] > 1)}{surely}"
    text = f"{about}: to see no more costs {cost(last)}, less than the {UNUSED} that counts{before}."
    return LookAnswer("How far back does it read?", None, text)


def where_decided(lens: Lens) -> LookAnswer:
    """The first layer after which at least half of the first choices are final."""
    names = [str(name) for name in lens.final.labels("reading")]
    final, kl = lens.final.values.mean(1), lens.kl.values.mean(1)
    at = int((final >= HALF).argmax())
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in zip(names[1:], final[1:], strict=True))
    distance = ", ".join(f"{value:.2f}" for value in kl[1:])
    text = (
        f"Half of its first choices are final after {'the ' * (at == 0)}{names[at]} ({shares}). "
        f"Distance of the logit lens from the output after each layer: {distance} nats."
    )
    return LookAnswer("Where does it decide?", None, text)


def does_it_copy(found: Copying, unit: str = "character") -> LookAnswer:
    """Whether overwriting an earlier occurrence costs something at the places where copying it is right."""
    question = "Does it copy from its context?"
    worth = found.worth.get(JUDGED)
    count, windows = (0, 0) if worth is None else (len(worth.values), len(set(worth.labels("place"))))
    if worth is None or count < FEWEST_PLACES or windows < FEWEST_WINDOWS:
        few = f"only {count} places of this text repeat {JUDGED} {unit}s at a distance and go on in the same way"
        return LookAnswer(question, "cannot tell", f"Cannot tell: {few}; give a longer text with --data.")
    value, low, high = mean_over_windows(worth.values, worth.labels("place"), "copying")
    judged = verdict(low, high, COPIES, COPIES)
    clause = {
        "yes": f"at least the {COPIES} that count as copying",
        "no": f"less than the {COPIES} that would count",
        "cannot tell": f"which leaves open whether it reaches the {COPIES} that count",
    }[judged]
    text = (
        f"{judged.capitalize()}: where the last {JUDGED} {unit}s stood before and copying is right, overwriting what "
        f"followed them costs {three(value)} nats [{three(low)}, {three(high)}], {clause} ({count} places{_by_match(found)})."
    )
    return LookAnswer(question, judged, text)


def _by_match(found: Copying) -> str:
    """What copies after other lengths of match are worth."""
    others = [f"{match}: {three(float(w.values.mean()))}" for match, w in found.worth.items() if match != JUDGED]
    return f"; after matches of {', '.join(others)}" if others else ""


def mean_over_windows(
    values: Float[np.ndarray, "place"], windows: Sequence[object], *labels: object
) -> tuple[float, float, float]:
    """The mean over places, and its interval over windows: places of one window are not independent."""
    _, which = np.unique(np.asarray(windows), return_inverse=True)
    sums = np.stack([np.bincount(which, values), np.bincount(which)], axis=1).astype(np.float64)
    low, high = statistic_interval(sums, lambda means: means[:, 0] / means[:, 1], *labels)
    return float(values.mean()), low, high


def has_induction_head(heads: HeadClasses, copied: Copying | Unmeasured) -> LookAnswer:
    """Whether a head attends to what followed an earlier occurrence: in random sequences, or at copy places of the text."""
    found = [best_on_random(heads)]
    if not isinstance(copied, Unmeasured) and copied.attention is not None:
        found += [best_on_text(copied.attention)]
    known = [one for one in found if one is not None]
    verdicts = [one.verdict for one in known]
    judged: LookReply = "yes" if "yes" in verdicts else "no" if set(verdicts) == {"no"} else "cannot tell"
    needed = {
        "yes": f"From {AN_INDUCTION_HEAD} it is an induction head.",
        "no": f"An induction head sends {AN_INDUCTION_HEAD} or more.",
        "cannot tell": f"An induction head sends {AN_INDUCTION_HEAD} or more, and none is surely below {NO_INDUCTION_HEAD}.",
    }[judged]
    text = (
        f"{judged.capitalize()}: to what followed the same text last time, {' and '.join(one.text for one in known)} "
        f"of its attention, above chance. {needed}"
    )
    return LookAnswer("Has it an induction head?", judged, text)


@dataclass(frozen=True)
class _Best:
    """The best head by one instrument."""

    verdict: LookReply
    text: str


def best_on_random(heads: HeadClasses) -> _Best:
    """The best head in random sequences: an induction head if it attends at every block length; none if no head does at any.

    Heads are chosen on half of the sequences and reported on the others.
    """
    select, report = (heads.induction.sel(split=split).values for split in ("select", "report"))
    at = _best_head(select.mean(-1).min(0))
    least = report[int(report[:, *at].mean(-1).argmin()), *at]
    if heads.induction_p[at] <= SIGNIFICANT and mean_interval(least, "induction head")[0] >= AN_INDUCTION_HEAD:
        return _Best("yes", f"{head_name(*at)} sends {three(least.mean())} (in repeated random sequences)")
    best = [_best_head(scores.mean(-1)) for scores in select]
    rows = [scores[one] for scores, one in zip(report, best, strict=True)]
    none = max(mean_interval(row, "any induction")[1] for row in rows) < NO_INDUCTION_HEAD
    means = [float(row.mean()) for row in rows]
    most = int(np.argmax(means))
    said = f"the best head sends {three(means[most])} ({head_name(*best[most])}, in repeated random sequences)"
    return _Best("no" if none else "cannot tell", said)


def best_on_text(attention: Sweep) -> _Best | None:
    """The best head at copy places, chosen in every second window with such places and reported in the others; None for
    too few places."""
    windows = np.asarray(attention.labels("place"))
    _, which = np.unique(windows, return_inverse=True)
    chosen, others = which % 2 == 0, which % 2 == 1
    if others.sum() < FEWEST_PLACES or which.max() + 1 < 2 * FEWEST_WINDOWS:
        return None
    at = _best_head(attention.values[..., chosen].mean(-1))
    values = attention.values[at][others]
    value, low, high = mean_over_windows(values, tuple(windows[others].tolist()), "attention at copy places")
    judged = verdict(low, high, AN_INDUCTION_HEAD, NO_INDUCTION_HEAD)
    return _Best(judged, f"{three(value)} ({head_name(*at)}, in text that repeats itself)")


def _best_head(scores: Float[np.ndarray, "layer head"]) -> tuple[int, int]:
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    return int(layer), int(head)


def what_matters(ablation: Sweep, unit: str = "character") -> LookAnswer:
    """The components that cost most alone, and what heads cost together."""
    costs = ranked(ablation)
    most = ", ".join(f"{name} {three(cost)}" for name, cost, _ in costs[:FIRST])
    only = [(name, cost) for name, cost, _ in costs if not name.startswith("MLP")][:FIRST]
    of_heads = "; of the heads " + ", ".join(f"{name} {three(cost)}" for name, cost in only)
    joint = [name for name in map(str, ablation.labels("set")) if name in ("heads of L0", "heads above L0")]
    together = ", ".join(f"all {name} {three(float(ablation.sel(set=name).values.mean()))}" for name in joint)
    told = most + (of_heads if any(name.startswith("MLP") for name, _, _ in costs) else "")
    text = f"Without it the loss rises most for {told} nats per {unit}. Together: {together}."
    return LookAnswer("What matters most?", None, text)


def ranked(ablation: Sweep) -> list[tuple[str, float, tuple[float, float]]]:
    """Every head and every MLP alone, with its cost and interval, the costliest first."""
    names = [str(name) for name in ablation.labels("set")]
    alone = [i for i, name in enumerate(names) if " " not in name]
    rows = [
        (names[i], float(ablation.values[i].mean()), mean_interval(ablation.values[i], "ablation", names[i]))
        for i in alone
    ]
    return sorted(rows, key=lambda row: -row[1])


def covers_up(ablation: Sweep, together: str, members: Sequence[str]) -> bool:
    """Whether components cost more together, by `COVERED` or more, than the sum of each alone."""
    alone = sum(ablation.sel(set=name).values for name in members)
    low, _ = mean_interval(ablation.sel(set=together).values - alone, "covering", together)
    return len(members) > 1 and low >= COVERED


def _measured(question: str, found: Found | Unmeasured, worded: Callable[[Found], LookAnswer]) -> LookAnswer:
    if isinstance(found, Unmeasured):
        return LookAnswer(question, "cannot tell", f"Not measured: {found.reason}.")
    return worded(found)
