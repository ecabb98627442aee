"""What the findings mean together: read off the published results, and from planted ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.report import meaning

PUBLISHED = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def canonical() -> Study:
    """What the published study says of its main model alone."""
    study = in_todays_words(read_study(PUBLISHED))
    return Study(None, tuple(one for one in study.results if one.subject.label == study.main))


def _costing(study: Study, costs: dict[str, float]) -> Study:
    """The same study, with parts of these costs."""
    planted = Sweep(
        np.repeat(np.array(list(costs.values()))[None, :, None], 2, axis=0),
        ("text", "set", "window"),
        "nats",
        {"text": ("held-out", "training"), "set": tuple(costs)},
    )
    return replace(
        study,
        results=tuple(
            replace(one, sweeps={**one.sweeps, "ablation": planted}) if one.experiment == "profile" else one
            for one in study.results
        ),
    )


def test_the_parts_that_matter_most_are_named_in_their_order(canonical: Study) -> None:
    costs = {"L0H0": 9.0, "heads of L0": 1.0, "MLP0": 0.5, "heads of L1": 2.0, "MLP1": 0.1, "all heads": 8.0}
    said = meaning.section(_costing(canonical, costs))
    assert "Heads of L1 (2.00 nats lost without), heads of L0 (1.00) and MLP0 (0.500)" in said
    assert "worth more than 0.100" in said


def test_of_a_model_of_one_layer_without_mlps_the_one_part_is_named(canonical: Study) -> None:
    assert "Heads of L0 (1.00 nats lost without); there are no others." in meaning.section(
        _costing(canonical, {"heads of L0": 1.0})
    )


def test_one_training_foretells_no_other_and_several_give_their_range(canonical: Study) -> None:
    assert meaning.timing(canonical) is None
    assert "it takes several trainings" in meaning.section(canonical)
    controls = (one for one in read_study(PUBLISHED).results if one.subject.role == "control")
    formed = next(one for one in controls if one.experiment == "emergence")
    again = replace(formed, subject=replace(formed.subject, label="another"))
    found = meaning.timing(replace(canonical, results=(*canonical.results, formed, again)))
    assert found is not None
    assert (found.label, found.trainings) == ("the echo control", 2)
    assert 0 < found.first == found.last < 1800


def test_nothing_is_said_where_the_model_was_not_profiled(canonical: Study) -> None:
    rest = tuple(one for one in canonical.results if one.experiment != "profile")
    assert meaning.section(replace(canonical, results=rest)) == ""
    alone = tuple(one for one in canonical.results if one.experiment == "profile")
    said = meaning.section(replace(canonical, results=alone))
    assert "Which layers learn what" not in said
    assert "{" not in said
