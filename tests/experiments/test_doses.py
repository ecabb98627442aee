"""Doses of copying: planted formations are dated, a law is found and foretells, and a world without the law refutes it."""

import json
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import planted_doses
from toys.planted_doses import LAW, PER_DOSE, by_law

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import read_study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.experiments import open_experiment
from nanoscope.experiments.doses.judge import doses_foretold
from nanoscope.experiments.doses.law import (
    Foretold,
    Law,
    Seen,
    fitted_law,
    foretold,
    held_out,
    holds,
    seen,
    threshold,
    times_of,
)
from nanoscope.experiments.doses.measure import Params, formation, measure
from nanoscope.experiments.doses.page import doses_table
from nanoscope.experiments.doses.prediction import FILE, committed, prediction
from nanoscope.experiments.experiment import Group
from nanoscope.experiments.formation.measure import SHARES
from nanoscope.experiments.runner import run_comparison
from nanoscope.plots.quality import checklist
from nanoscope.studies.presets import STUDIES, doses

DOSES = open_experiment("doses")
PUBLISHED = Path(__file__).parents[2] / "results"


def test_planted_formations_are_dated_within_two_per_cent_and_those_after_the_end_are_none() -> None:
    found = planted_doses.sweeps(())
    for dose in (*Params().fitted, *Params().held_out):
        planted = np.array([by_law(dose, seed) for seed in Params().seeds])
        times = times_of(found, dose)
        inside = planted < 3450
        assert times[inside] == pytest.approx(planted[inside], rel=0.02)
        assert np.isinf(times[planted > 3600]).all()
        assert np.isnan(found["trainings"].sel(measure="factor", dose=dose).values[planted > 3600]).all()


def test_the_abruptness_of_a_planted_logistic() -> None:
    """From 10 to 90 % within exp(2 w log 9), if the checkpoints are dense; in two steps the curve's own factor counts."""
    steps = list(range(0, 3601, 10))
    rise = 0.9 / (1 + np.exp(-(np.log1p(steps) - math.log(1201)) / 0.1))
    formed, when, factor = formation(rise, steps)
    assert (formed, when) == (1, pytest.approx(1200 * math.exp(-0.1 * math.log(2)), rel=0.01))
    assert factor == pytest.approx(math.exp(0.2 * math.log(9)), rel=0.03)
    stairs = np.where(np.array(steps) < 300, 0.0, np.where(np.array(steps) < 3000, 0.35, 0.9))
    assert formation(stairs, steps)[1] == pytest.approx(300, abs=10)
    assert formation(stairs, steps)[2] > 9
    assert formation(rise / 4, steps)[0] == 0


def test_the_planted_law_is_found_from_six_doses_with_its_threshold() -> None:
    found = planted_doses.sweeps((), held_out=False)
    law = fitted_law(found)
    assert law.slope == pytest.approx(LAW.slope, abs=0.05)
    assert law.intercept == pytest.approx(LAW.intercept, abs=0.03)
    at = math.exp((LAW.intercept - math.log(3600)) / -LAW.slope) / PER_DOSE
    assert threshold(found, law) == pytest.approx(at, abs=0.01)


def test_a_law_that_holds_foretells_the_held_out_doses_and_one_that_ignores_the_dose_does_not() -> None:
    law = tuple(fitted_law(planted_doses.sweeps((), held_out=False)))
    evidence = doses_foretold(planted_doses.sweeps(law))
    assert (evidence.value, evidence.interval, evidence.n) == (4, (4, 4), 4)
    assert evidence.null < 4
    assert DOSES.judge(planted_doses.sweeps(law))[0].verdict == "supported"


@pytest.mark.parametrize(
    "when",
    [
        lambda dose, seed: by_law(dose, seed) * (1.7 if dose in Params().held_out else 1),
        lambda dose, seed: by_law(dose, seed) * (0.6 if dose in Params().held_out else 1),
        lambda dose, seed: by_law(0.5, seed) if dose == 0.8 else by_law(dose, seed),
        lambda dose, seed: math.inf if dose in Params().held_out and seed % 2 else by_law(dose, seed),
    ],
    ids=["later", "earlier", "a dose that is no larger", "half never form"],
)
def test_held_out_doses_that_do_otherwise_refute_it(when: planted_doses.When) -> None:
    """The fitted doses follow the law in each of these worlds, so the law is the same; only what is held out differs."""
    law = tuple(fitted_law(planted_doses.sweeps((), held_out=False, when=when)))
    assert law == tuple(fitted_law(planted_doses.sweeps((), held_out=False)))
    found = DOSES.judge(planted_doses.sweeps(law, when=when))[0]
    assert found.verdict == "not supported"
    assert found.evidence.value < 4


def test_a_world_in_which_the_dose_changes_nothing_is_foretold_by_the_law_that_ignores_it() -> None:
    def anyhow(dose: float, seed: int) -> float:
        return by_law(0.7, seed) if dose > 0 else math.inf

    law = fitted_law(planted_doses.sweeps((), held_out=False, when=anyhow))
    assert law.slope == pytest.approx(0, abs=0.02)
    assert doses_foretold(planted_doses.sweeps(tuple(law), when=anyhow)).null == 4


def test_no_dose_no_gain_no_formation() -> None:
    found = planted_doses.sweeps(())
    assert foretold(found, LAW, 0.0) == Foretold(0.0, 0.0, math.inf, 0.0)
    assert seen(found, 0.0) == Seen(pytest.approx(3600), 0, 6, pytest.approx(math.nan, nan_ok=True))
    assert fitted_law(found) == fitted_law(
        planted_doses.sweeps((), when=lambda d, s: 500.0 if d == 0 else by_law(d, s))
    )


def test_with_fewer_seeds_as_many_are_foretold_as_were_run() -> None:
    every = (*Params().fitted, *Params().held_out)
    half = planted_doses.group(every).results[::2]
    found = measure(Group("doses of copying", "seeds", half), Params(law=tuple(LAW)))
    whole = planted_doses.sweeps(tuple(LAW))
    assert foretold(found, LAW, 0.8).forming == pytest.approx(foretold(whole, LAW, 0.8).forming / 2)
    assert foretold(planted_doses.sweeps((), held_out=False), LAW, 0.8) == foretold(whole, LAW, 0.8)


def test_a_law_by_which_any_gain_is_enough_has_its_threshold_at_the_lowest_dose_known() -> None:
    assert threshold(planted_doses.sweeps(()), Law(1.0, -1.5, 0.08)) == pytest.approx(
        min(share for share in SHARES if share)
    )


def test_the_margins_by_hand() -> None:
    found = planted_doses.sweeps(())
    said = Foretold(0.4, 0.6, 2000.0, 4.0)
    right = {(1340, 4): True, (1320, 4): False, (2990, 4): True, (3010, 4): False, (2000, 2): True, (2000, 1): False}
    for (median, forming), expected in right.items():
        assert holds(found, said, Seen(float(median), forming, 6, 2.0)) is expected, (median, forming)
    never = Foretold(0.4, 0.6, 9000.0, 0.5)
    assert holds(found, never, Seen(3600.0, 0, 6, math.nan)), "both say: not within the training"


def test_before_the_law_is_committed_and_before_all_doses_are_run_nothing_is_judged() -> None:
    early = doses_foretold(planted_doses.sweeps((), held_out=False))
    assert early.why == "no prediction is committed yet, and the held-out doses come after it"
    partly = measure(planted_doses.group((*Params().fitted, 0.4)), Params(law=tuple(LAW)))
    assert doses_foretold(partly).why == "not all held-out doses were trained yet"


def test_a_prediction_is_made_of_the_fitted_doses_and_never_after_the_others(tmp_path: Path) -> None:
    six = run_comparison(DOSES, planted_doses.group(Params().fitted), Params(law=()), tmp_path)
    made = prediction(six)
    (tmp_path / "prediction.json").write_text(json.dumps(made))
    assert committed(tmp_path / "prediction.json") == tuple(fitted_law(six.sweeps))
    assert [said["dose"] for said in made["foretold"]] == list(held_out(six.sweeps))
    assert made["result"] == six.key
    ten = run_comparison(DOSES, planted_doses.group((*Params().fitted, 0.4)), Params(law=()), tmp_path)
    with pytest.raises(NanoscopeError, match=r"but 0\.4 was trained already"):
        prediction(ten)
    assert committed(tmp_path / "none") == ()


def test_the_study_has_the_held_out_doses_only_after_the_prediction() -> None:
    before, after = doses(Params(law=())), doses(Params(law=tuple(LAW)))
    assert {member.name for member in after} - {member.name for member in before} == {
        f"dose-{dose:.2f}-{seed}" for dose in Params().held_out for seed in Params().seeds
    }
    assert (len(before), len(after)) == (36, 60)
    assert STUDIES["doses"].members == (after if committed() else before)
    recipes = {member.name: member.recipe for member in after}
    assert recipes["dose-0.25-2"] is not None
    assert (recipes["dose-0.25-2"].copied, recipes["dose-0.25-2"].seed) == (0.25, 2)
    assert not set(Params().fitted) & set(Params().held_out)


def test_what_is_no_training_of_the_design_is_told() -> None:
    stranger = planted_doses.training(0.35, 1, 900)
    with pytest.raises(NanoscopeError, match=r"dose 0\.35, 1 is not one of the doses"):
        measure(Group("doses", "seeds", (stranger,)), Params())


def test_the_page_lists_the_doses_that_judge_the_law_and_before_them_all() -> None:
    law = tuple(fitted_law(planted_doses.sweeps((), held_out=False)))
    for found in (planted_doses.sweeps(law), planted_doses.sweeps((), held_out=False)):
        result = Result("doses", {}, StoredSubject("doses of copying"), found, DOSES.judge(found))
        assert all(all(checklist(draw(result)).values()) for draw in DOSES.figures.values())
    rows = doses_table(planted_doses.sweeps(law), LAW).split("\n")
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| 0.4", "| 0.6", "| 0.8", "| 0.9"]
    assert rows[4].endswith("yes |")
    before = doses_table(planted_doses.sweeps((), held_out=False), None)
    assert len(before.split("\n")) == 12
    assert "not run" in before


def test_the_script_writes_a_prediction_once_and_not_after_a_held_out_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "predict_doses.py"))
    written = tmp_path / "prediction.json"
    monkeypatch.setitem(script["main"].__globals__, "FILE", written)
    monkeypatch.setattr(sys, "argv", ["predict_doses.py", str(tmp_path)])

    def refused() -> str:
        with pytest.raises(SystemExit) as error:
            script["main"]()
        assert error.value.code == 2
        return capsys.readouterr().err

    assert "no comparison of all 36 trainings" in refused()
    run_comparison(DOSES, planted_doses.group(Params().fitted), Params(law=()), tmp_path / "results")
    script["main"]()
    assert "dose 0.6: half by iteration 3,122, 5.3 trainings form in time" in capsys.readouterr().out
    assert committed(written) == pytest.approx(fitted_law(planted_doses.sweeps((), held_out=False)), rel=1e-6)
    assert "made once and not changed" in refused()
    written.unlink()
    (tmp_path / "models" / "dose-0.60-1").mkdir(parents=True)
    assert "already holds dose-0.60-1" in refused()


def test_the_committed_law_is_that_of_the_published_fitted_doses() -> None:
    """Of no others, and not of the held-out ones too: it would be another law."""
    (result,) = read_study(PUBLISHED).compared("doses")
    law, said = Law(*committed()), json.loads(FILE.read_text())["foretold"]
    assert tuple(law) == pytest.approx(tuple(fitted_law(result.sweeps)), rel=1e-6)
    assert {one["dose"]: one["median"] for one in said} == pytest.approx(
        {dose: foretold(result.sweeps, law, dose).median for dose in held_out(result.sweeps)}
    )
