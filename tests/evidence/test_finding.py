"""Findings: verdicts from intervals, sentences from verdicts, and results that come back as they went."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import Claim, Criterion, Evidence, Finding, number
from nanoscope.evidence.result import Result, load_result, load_results, save_result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import EXPERIMENTS, open_experiment

CLAIM = Claim(
    id="test.claim",
    sentence="It is large.",
    criterion=Criterion(">=", 0.3),
    prose={"supported": "{value} is large", "not supported": "{value} is small", "undecided": "[{low}, {high}]"},
    null_is="nothing",
)


@pytest.mark.parametrize(
    ("criterion", "interval", "verdict"),
    [
        (Criterion(">=", 0.3), (0.3, 0.5), "supported"),
        (Criterion(">=", 0.3), (0.1, 0.29), "not supported"),
        (Criterion(">=", 0.3), (0.29, 0.31), "undecided"),
        (Criterion("<=", 3.0), (1.0, 3.0), "supported"),
        (Criterion("<=", 3.0), (3.1, 9.0), "not supported"),
        (Criterion("within", 0.0, 0.05), (-0.05, 0.05), "supported"),
        (Criterion("within", 0.0, 0.05), (0.06, 0.2), "not supported"),
        (Criterion("within", 0.0, 0.05), (-0.06, 0.0), "undecided"),
        (Criterion(">=", 0.3), (math.nan, math.nan), "undecided"),
        (Criterion(">=", 0.3), (-math.inf, math.inf), "undecided"),
        (Criterion(">=", 0.3), (math.nan, 0.1), "undecided"),
    ],
)
def test_a_verdict_follows_from_the_interval(criterion: Criterion, interval: tuple, verdict: str) -> None:
    assert criterion.verdict(*interval) == verdict


def test_a_finding_says_what_its_verdict_says() -> None:
    found = CLAIM.found(Evidence(0.4, (0.35, 0.45), 12, "runs", 0.0))
    assert (found.verdict, found.text) == ("supported", "0.400 is large")
    assert CLAIM.found(Evidence(0.1, (0.0, 0.2), 12, "runs", 0.0)).text == "0.100 is small"
    assert CLAIM.found(Evidence(0.1, (0.0, 0.5), 12, "runs", 0.0)).text == "[0, 0.500]"


def test_a_claim_needs_a_fragment_for_each_verdict() -> None:
    with pytest.raises(NanoscopeError, match="one fragment of prose for each verdict"):
        replace(CLAIM, prose={"supported": "yes"})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_fragment_of_every_claim_can_be_rendered(name: str) -> None:
    """Flip each verdict: the facts that an experiment gathers fill every sentence it may have to say."""
    experiment = open_experiment(name)
    for claim in experiment.claims:
        fields = {f for text in claim.prose.values() for f in _fields(text)}
        facts = {f: f"<{f}>" for f in fields - {"value", "low", "high", "n", "null", "threshold"}}
        texts = set()
        for interval in ((-1e9, -1e9 + 1), (1e9, 1e9 + 1), (-1e9, 1e9), (claim.criterion.threshold,) * 2):
            texts.add(claim.found(Evidence(0.5, interval, 3, "things", 0.1, facts)).text)
        assert not any("{" in text for text in texts)
        assert len(texts) >= 2


def _fields(text: str) -> set[str]:
    import string

    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_claim_ids_are_unique_and_carry_the_experiments_name(name: str) -> None:
    ids = [claim.id for claim in open_experiment(name).claims]
    assert len(set(ids)) == len(ids)
    assert all(id.startswith(f"{name}.") for id in ids)


def test_findings_come_back_from_json_as_they_went() -> None:
    for value, interval in ((0.4, (0.35, 0.45)), (math.nan, (math.nan, math.nan))):
        found = CLAIM.found(Evidence(value, interval, 12, "runs", 0.0, {"head": "L1H0"}))
        again = Finding.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
        assert again.to_json() == found.to_json()
        assert again.verdict == found.verdict


def test_a_stored_verdict_that_its_numbers_do_not_bear_is_refused() -> None:
    stored = CLAIM.found(Evidence(0.1, (0.0, 0.2), 12, "runs", 0.0)).to_json()
    with pytest.raises(NanoscopeError, match="its numbers say not supported"):
        Finding.from_json({**stored, "verdict": "supported"})


def test_numbers_are_written_for_readers() -> None:
    said = {
        0.12345: "0.123",
        12.345: "12.3",
        1234.5: "1,234",
        -0.00012: "-0.0001",
        0.0: "0",
        0.99996: "1.00",
        1.0: "1.00",
    }
    assert {x: number(x) for x in said} == said
    assert number(math.nan) == number(-math.inf) == "undefined"


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


def test_sweeps_refuse_axes_that_do_not_fit() -> None:
    with pytest.raises(NanoscopeError, match="axes"):
        Sweep(np.zeros((2, 3)), ("layer",), "nats")
    with pytest.raises(NanoscopeError, match="labels of layer"):
        Sweep(np.zeros((2, 3)), ("layer", "pos"), "nats", {"layer": (1, 2, 3)})
    with pytest.raises(NanoscopeError, match="there is no layer 7"):
        Sweep(np.zeros((2, 3)), ("layer", "pos"), "nats").sel(layer=7)
