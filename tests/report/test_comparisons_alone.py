"""A study that compares trainings and describes none of them, such as `nanoscope study doses`, has a page too."""

from dataclasses import replace
from pathlib import Path

from toys import planted_doses

from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.doses.law import fitted_law
from nanoscope.experiments.doses.measure import Params
from nanoscope.experiments.runner import run_comparison
from nanoscope.report.document import render

DOSES = open_experiment("doses")


def _page(folder: Path, params: Params, doses: tuple[float, ...]) -> str:
    result = run_comparison(DOSES, planted_doses.group(doses), params, folder)
    about = replace(result.subject, corpus="tiny Shakespeare")
    return render(Study("doses", (replace(result, subject=about),)), {})


def test_before_the_prediction_and_after_it(tmp_path: Path) -> None:
    before = _page(tmp_path, Params(law=()), Params().fitted)
    assert before.startswith("# What was found over doses of copying\n")
    assert "the held-out doses come after it" in before
    assert "The held-out doses are not trained yet" in before
    law = tuple(fitted_law(planted_doses.sweeps((), held_out=False)))
    after = _page(tmp_path, Params(law=law), (*Params().fitted, *Params().held_out))
    assert "**yes**" in after
    assert "| 60 trainings |" in after
    assert "foretells 4 of 4 held-out doses within its margins" in after
    assert "## Finding 4e" in after
    assert "half of the trainings form one within 3,600 iterations from a dose of 0.54 on" in after
