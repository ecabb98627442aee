"""The presets: experiments bring their own amounts, and what is published is what is planned."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from nanoscope.evidence.result import Result, load_results
from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.studies.presets import FEW, FULL, STUDIES

PUBLISHED = Path(__file__).parents[2] / "results" / "results"
PLANNED = {
    **{
        (one.label, name): asdict(params)
        for one in STUDIES["published"].members
        for name, params in one.experiments.items()
    },
    **{(one.label, one.experiment): asdict(one.params) for one in STUDIES["published"].comparisons},
}


@pytest.mark.parametrize("result", load_results(PUBLISHED), ids=lambda result: result.key[:40])
def test_what_is_published_was_measured_as_it_is_planned(result: Result) -> None:
    """A result of an older version was planned by that version."""
    if result.identity["version"] != open_experiment(result.experiment).version:
        pytest.skip("measured by an older version")
    planned = PLANNED[result.subject.label, result.experiment]
    assert result.identity["params"] == json.loads(json.dumps(planned))


@pytest.mark.parametrize("name", ["published", "control", "code", "wiki"])
def test_what_is_published_is_measured_in_full(name: str) -> None:
    """The hand-built model's answers are known, so its amounts are its own. Other trainings are profiled at their end, and of a
    large model each of dozens of checkpoints is read in as many windows as its profile, a control's hundreds in fewer."""
    members = [member for member in STUDIES[name].members if member.role != "planted"]
    measured = [(one, params) for member in members for one, params in member.experiments.items()]
    assert len(measured) >= 7
    allowed = {name: (open_experiment(name), ("end", "large", "dense")) for name, _ in measured}
    full = {name: (one.params(), *map(one.setting, amounts)) for name, (one, amounts) in allowed.items()}
    assert all(params in full[one] for one, params in measured)


def test_an_experiment_gives_the_first_amount_that_it_declares_and_else_all() -> None:
    induction = open_experiment("induction")
    assert induction.setting("no such amount", "quick", "control") == induction.settings["quick"]
    assert induction.setting("no such amount") == induction.params()
    for name in EXPERIMENTS:
        experiment = open_experiment(name)
        assert all(type(params) is experiment.params for params in experiment.settings.values())


def test_every_experiment_on_one_model_is_in_every_amount() -> None:
    assert (
        list(FULL)
        == list(FEW)
        == [
            *("profile", "induction", "snapshot", "emergence", "heads", "lenses", "neurons", "failures", "circuits"),
        ]
    )
    assert all(FULL[name] == open_experiment(name).params() for name in FULL)
