"""Families of claims: adjusted p-values worked by hand, and what is outside a family."""

import numpy as np
import pytest

from nanoscope.evidence import families
from nanoscope.evidence.families import PRIMARY, adjusted, family, too_many
from nanoscope.statistics.intervals import benjamini_hochberg, holm


def test_benjamini_hochberg_worked_by_hand() -> None:
    """p_(i) n / i, and no larger than the next: 0.04 is 0.04 * 4 / 3, 0.01 is 0.01 * 4."""
    assert benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.2])) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.2])
    assert benjamini_hochberg(np.array([0.03])) == pytest.approx([0.03])
    assert benjamini_hochberg(np.array([0.0, 1.0])) == pytest.approx([0.0, 1.0])
    assert benjamini_hochberg(np.array([])).size == holm(np.array([])).size == 0


def test_each_family_is_adjusted_alone() -> None:
    found = adjusted({"a.x": 0.04, PRIMARY[0]: 0.02, "a.y": 0.01, PRIMARY[1]: 0.03})
    assert found == pytest.approx({"a.x": 0.04, PRIMARY[0]: 0.04, "a.y": 0.02, PRIMARY[1]: 0.04})
    assert list(found) == ["a.x", PRIMARY[0], "a.y", PRIMARY[1]]
    assert adjusted({"a.x": 0.04}) == {"a.x": 0.04}, "a claim alone is adjusted for nothing"
    assert adjusted({}) == {}


def test_adjusting_makes_no_p_smaller() -> None:
    p_values = {f"a.{i}": i / 20 for i in range(20)} | dict.fromkeys(PRIMARY, 0.01)
    found = adjusted(p_values)
    assert all(found[claim] >= p for claim, p in p_values.items())
    assert all(found[claim] == pytest.approx(8 * 0.01) for claim in PRIMARY)
    assert max(found.values()) <= 1


def test_the_primary_claims_are_few_and_fixed() -> None:
    assert len(set(PRIMARY)) == len(PRIMARY) <= families.MOST_PRIMARY == 8
    assert isinstance(PRIMARY, tuple)
    assert (family(PRIMARY[0]), family("heads.previous")) == ("primary", "secondary")


def test_too_many_claims_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [f"a.{i}" for i in range(families.MOST_CLAIMS - len(PRIMARY))]
    assert too_many([*PRIMARY, *others]) == ()
    assert too_many([*PRIMARY, *others, "a.last"]) == ("there are 41 claims, more than 40",)
    assert too_many([*PRIMARY[1:], *others]) == (f"primary, but no claim: {PRIMARY[0]}",)
    monkeypatch.setattr(families, "PRIMARY", (*PRIMARY, "a.0"))
    assert too_many([*PRIMARY, *others]) == ("there are 9 primary claims, more than 8",)
