"""Which claims are primary: fixed before any model that they are judged on was analysed.

Whoever reads many verdicts finds some that are luck. The few primary claims are what the study is about; their p-values are
adjusted so that even one false verdict among them has a chance of 5 % at most (Holm 1979). All others are secondary: of their
decided verdicts no more than 5 % are false on average (Benjamini & Hochberg 1995). What has no interval, was withdrawn or only
times a program is outside both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np

from nanoscope.statistics.intervals import benjamini_hochberg, holm

Family = Literal["primary", "secondary"]

PRIMARY: tuple[str, ...] = (
    "profile.context",
    "profile.layers",
    "induction.heads",
    "induction.long_match",
    "heads.needed",
    "lenses.beyond",
    "circuits.faithful",
    "emergence.forms",
)
MOST_PRIMARY, MOST_CLAIMS = 8, 40
LEVEL = 0.05


def family(claim: str) -> Family:
    """The family of a claim, by its id."""
    return "primary" if claim in PRIMARY else "secondary"


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each claim's p-value, adjusted within its family among the claims given."""
    corrections = {"primary": holm, "secondary": benjamini_hochberg}
    found: dict[str, float] = {}
    for name, correct in corrections.items():
        members = [claim for claim in p_values if family(claim) == name]
        found |= zip(members, map(float, correct(np.array([p_values[claim] for claim in members]))), strict=True)
    return {claim: found[claim] for claim in p_values}


def too_many(claims: Collection[str]) -> tuple[str, ...]:
    """What is wrong with a program's claims, by their ids: too many in all, too many primary ones, or one that is not there."""
    missing = [claim for claim in PRIMARY if claim not in claims]
    complaints = {
        f"there are {len(claims)} claims, more than {MOST_CLAIMS}": len(claims) > MOST_CLAIMS,
        f"there are {len(PRIMARY)} primary claims, more than {MOST_PRIMARY}": len(PRIMARY) > MOST_PRIMARY,
        f"primary, but no claim: {', '.join(missing)}": bool(missing),
    }
    return tuple(said for said, holds in complaints.items() if holds)
