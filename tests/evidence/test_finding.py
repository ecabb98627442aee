"""Findings: verdicts from intervals, sentences from verdicts, and results that come back as they went."""

import csv
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion, Evidence, Finding, Relation, Source
from nanoscope.evidence.result import Result, load_result, load_results, save_result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import EXPERIMENTS, open_experiment

CLAIM = Claim(
    id="test.claim",
    sentence="It is large.",
    relation="present",
    source="observed",
    criterion=Criterion(">=", 0.3),
    evidence=lambda sweeps: Evidence(float(sweeps["a"].values.mean()), (0.0, 1.0), 6, "runs", 0.0),
    null_is="nothing",
    measured="{value} is measured",
)


@pytest.mark.parametrize(
    ("criterion", "interval", "verdict"),
    [
        (Criterion(">=", 0.3), (0.3, 0.5), "supported"),
        (Criterion(">=", 0.3), (0.1, 0.29), "not supported"),
        (Criterion(">=", 0.3), (0.29, 0.31), "straddles the criterion"),
        (Criterion("<=", 3.0), (1.0, 3.0), "supported"),
        (Criterion("<=", 3.0), (3.1, 9.0), "not supported"),
        (Criterion("within", 0.0, 0.05), (-0.05, 0.05), "supported"),
        (Criterion("within", 0.0, 0.05), (0.06, 0.2), "not supported"),
        (Criterion("within", 0.0, 0.05), (-0.06, 0.0), "straddles the criterion"),
        (Criterion(">=", 0.3), (math.nan, math.nan), "too little data"),
        (Criterion(">=", 0.3), (-math.inf, math.inf), "straddles the criterion"),
        (Criterion(">=", 0.3), (math.nan, 0.1), "too little data"),
    ],
)
def test_a_verdict_follows_from_the_interval(criterion: Criterion, interval: tuple, verdict: str) -> None:
    assert criterion.verdict(*interval) == verdict


def test_a_finding_says_what_its_verdict_says() -> None:
    own = replace(CLAIM, clauses={"not supported": ", so it is small"})
    assert own.found(_evidence(0.35, 0.45)).text == "0.400 is measured."
    assert own.found(_evidence(0.0, 0.2)).text == "0.100 is measured, so it is small."
    assert CLAIM.found(_evidence(0.0, 0.2)).text == "0.100 is measured: below the required 0.3."
    assert own.found(_evidence(0.2, 0.6)).text == "0.400 is measured, which does not decide it (criterion: >= 0.3)."
    missing = own.found(Evidence.not_applicable("there is one layer", 12, "runs"))
    assert (missing.verdict, missing.text) == ("not applicable", 'Not judged ("It is large"): there is one layer.')
    assert own.found(Evidence.too_little("there are two texts", 2, "texts")).verdict == "too little data"


def _evidence(low: float, high: float) -> Evidence:
    return Evidence((low + high) / 2, (low, high), 12, "runs", 0.0)


@pytest.mark.parametrize("relation", ["necessary for", "sufficient for"])
@pytest.mark.parametrize("source", ["observed", "attributed"])
def test_a_causal_claim_takes_an_intervention(relation: Relation, source: Source) -> None:
    with pytest.raises(NanoscopeError, match="takes an intervention"):
        replace(CLAIM, relation=relation, source=source)
    assert replace(CLAIM, relation=relation, source="intervened").relation == relation


def test_what_a_wording_needs_must_be_there() -> None:
    with pytest.raises(UndefinedError, match="head"):
        replace(CLAIM, measured="{head} does it").found(_evidence(0.4, 0.5)).text  # noqa: B018


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_claim_ids_are_unique_and_carry_the_experiments_name(name: str) -> None:
    ids = [claim.id for claim in open_experiment(name).claims]
    assert len(set(ids)) == len(ids)
    assert all(id.startswith(f"{name}.") for id in ids)


def test_findings_come_back_from_json_as_they_went() -> None:
    for value, interval in ((0.4, (0.35, 0.45)), (math.nan, (math.nan, math.nan)), (0.4, (math.nan, math.nan))):
        facts = {"head": "L1H0", "steps": (("L0", 0.25), ("L1", math.nan)), "count": 3, "all": ("L1H0", "L1H2")}
        why = "" if interval[0] > 0 else "no such head"
        claim = replace(CLAIM, withdrawn="blind") if math.isnan(value) else CLAIM
        found = claim.found(Evidence(value, interval, 12, "runs", 0.0, facts, why, "not applicable"))
        again = Finding.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
        assert again.to_json() == found.to_json()
        assert again.withdrawn == claim.withdrawn
        assert (again.verdict, again.text) == (found.verdict, found.text)
        assert again.evidence.facts["all"] == ("L1H0", "L1H2")


def test_a_stored_verdict_that_its_numbers_do_not_bear_is_refused() -> None:
    stored = CLAIM.found(Evidence(0.1, (0.0, 0.2), 12, "runs", 0.0)).to_json()
    with pytest.raises(NanoscopeError, match="its numbers say not supported"):
        Finding.from_json({**stored, "verdict": "supported"})


def _result() -> Result:
    sweep = Sweep(np.arange(6.0).reshape(2, 3), ("run", "layer"), "nats", {"run": ("clean", "corrupt")})
    point = Sweep(np.array(0.5), (), "share")
    found = CLAIM.found(Evidence(math.nan, (math.nan, math.nan), 12, "runs", 0.0))
    return Result(
        "test", {"version": 1}, StoredSubject("m"), {"a": sweep, "b": point}, (found,), {"date": "2026-01-01"}
    )


def test_a_sweep_as_an_xarray_has_its_axes_labels_and_unit() -> None:
    pytest.importorskip("xarray")
    array = _result()["a"].to_xarray()
    assert array.sel(run="corrupt").values.tolist() == [3, 4, 5]
    assert (array.dims, array.attrs) == (("run", "layer"), {"unit": "nats"})


def test_without_xarray_a_sweep_says_in_one_line_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(NanoscopeError, match=r'package xarray; install it with: pip install "nanoscope\[notebook\]"$'):
        _result()["a"].to_xarray()


def test_a_result_comes_back_as_it_went(tmp_path) -> None:
    result = _result()
    again = load_result(save_result(result, tmp_path))
    assert again.key == result.key
    assert (again["a"].values == result["a"].values).all()
    assert again["a"].sel(run="corrupt").values.tolist() == [3, 4, 5]
    assert again["b"].values.shape == ()
    assert [f.to_json() for f in again.findings] == [f.to_json() for f in result.findings]
    assert len(load_results(tmp_path)) == 1


def test_a_damaged_or_changed_result_is_refused_in_one_line(tmp_path) -> None:
    path = save_result(_result(), tmp_path)
    content = (path / "result.json").read_text()
    for damaged in (content[:100], content.replace('"version": 1', '"version": 2'), "{}"):
        (path / "result.json").write_text(damaged)
        with pytest.raises(NanoscopeError) as error:
            load_result(path)
        assert "\n" not in str(error.value)


def test_a_sweep_is_written_with_its_axes_as_columns(tmp_path: Path) -> None:
    sweep = Sweep(np.array([[0.1, np.nan], [1 / 3, -2.0]]), ("run", "pos"), "nats", {"run": ("a, b", "c")})
    sweep.to_csv(tmp_path / "new" / "sweep.csv")
    with (tmp_path / "new" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["value"] for row in rows] == ["0.1", "", repr(1 / 3), "-2.0"]
    assert rows[1] == {"run": "a, b", "pos": "1", "value": "", "unit": "nats"}
    sweep.to_json(str(tmp_path / "sweep.json"))
    stored = json.loads((tmp_path / "sweep.json").read_text())
    assert stored["values"] == [[0.1, None], [1 / 3, -2.0]]
    assert (stored["dims"], stored["coords"]) == (["run", "pos"], {"run": ["a, b", "c"], "pos": [0, 1]})
    Sweep(np.array(0.5), (), "share").to_csv(tmp_path / "point.csv")
    assert (tmp_path / "point.csv").read_text() == "value,unit\n0.5,share\n"


def test_a_sweep_as_a_table_is_the_one_of_xarray() -> None:
    pytest.importorskip("pandas")
    sweep = _result()["a"]
    table = sweep.to_pandas()
    assert (list(table.columns), table.attrs) == (["run", "layer", "value"], {"unit": "nats"})
    assert table.equals(sweep.to_xarray().to_dataframe().reset_index()[table.columns])


def test_results_print_what_they_hold_not_their_numbers() -> None:
    result = _result()
    assert repr(result["a"]) == "Sweep(run clean, corrupt, layer 0..2; in nats, from 0 to 5)"
    assert repr(result["b"]) == "Sweep(one number; in share, from 0.5 to 0.5)"
    assert repr(Sweep(np.full((5, 1), np.nan), ("name", "at"), "nats", {"name": tuple("abcde")})) == (
        "Sweep(name a, ..., e (5), at 0; in nats)"
    )
    assert repr(result) == "Result(test on m: sweeps a, b; 1 findings)"
    with pytest.raises(NanoscopeError, match="no sweep 'c'; it has a, b"):
        _ = result["c"]
    with pytest.raises(NanoscopeError, match=r"there is no layer 7; the axis has 0\.\.2"):
        result["a"].sel(layer=7)
    with pytest.raises(NanoscopeError, match="there is no axis 'head'; the axes are run, layer"):
        result["a"].sel(head=0)


def test_sweeps_refuse_axes_that_do_not_fit() -> None:
    with pytest.raises(NanoscopeError, match="axes"):
        Sweep(np.zeros((2, 3)), ("layer",), "nats")
    with pytest.raises(NanoscopeError, match="labels of layer"):
        Sweep(np.zeros((2, 3)), ("layer", "pos"), "nats", {"layer": (1, 2, 3)})
    with pytest.raises(NanoscopeError, match="there is no layer 7"):
        Sweep(np.zeros((2, 3)), ("layer", "pos"), "nats").sel(layer=7)
