"""Stored results as values: spreads by rank, bands, claims beside their findings; and what `nanoscope open` makes of a path."""

from pathlib import Path

import numpy as np
import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.views import stored_figures, stored_findings, stored_heads, stored_training
from nanoscope.views.opened import history, is_study, opened, study_of

ROOT = Path(__file__).parents[2]
PUBLISHED, SHIPPED = ROOT / "results", ROOT / "trained_models" / "shakespeare_char_model"
published = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


@pytest.fixture(scope="module")
def study() -> Study:
    return in_todays_words(read_study(PUBLISHED))


def test_the_spread_of_a_rank_does_not_depend_on_the_numbering_of_heads() -> None:
    own = np.array([[0.1, 0.9], [0.5, 0.2]])
    shuffled = [own.ravel()[[2, 0, 3, 1]].reshape(2, 2), own[::-1]]
    low, high = stored_heads.rank_spread(own, shuffled)
    np.testing.assert_array_equal(low, own)
    np.testing.assert_array_equal(high, own)


def test_the_spread_of_a_rank_spans_the_trainings() -> None:
    low, high = stored_heads.rank_spread(np.array([[0.1, 0.9]]), [np.array([[0.8, 0.3]]), np.array([[0.0, 1.0]])])
    np.testing.assert_array_equal(low, [[0.0, 0.8]])
    np.testing.assert_array_equal(high, [[0.3, 1.0]])


def test_a_band_is_students_interval_and_a_single_training_has_none() -> None:
    two = stored_training.curve("loss", np.array([[1.0, 2.0], [3.0, 2.0]]))
    assert two.low is not None
    assert two.high is not None
    np.testing.assert_allclose(two.mean - two.low, [12.706 * np.sqrt(2) / np.sqrt(2), 0], rtol=1e-3)
    np.testing.assert_allclose(two.low + two.high, 2 * two.mean)
    assert stored_training.curve("loss", np.array([[1.0, 2.0]])).low is None


@published
def test_every_claim_carries_its_findings_own_numbers(study: Study) -> None:
    claims = {claim.id: claim for section in stored_findings.sections(study) for claim in section.claims}
    assert set(claims) >= {id for id, effect in study.effects.items() if not effect.findings[0].withdrawn}
    for id, effect in study.effects.items():
        shown = claims[id].effect
        expected = (effect.verdict, *effect.evidence.interval)
        np.testing.assert_array_equal((shown.low, shown.high), expected[1:])
        assert shown.verdict == expected[0]
        assert [one.verdict for one in claims[id].trainings] == [one.verdict for one in effect.findings]


@published
def test_a_withdrawn_claim_shows_no_number(study: Study) -> None:
    claims = [claim for section in stored_findings.sections(study) for claim in section.claims]
    withdrawn = [claim for claim in claims if claim.effect.verdict == "withdrawn"]
    assert all(np.isnan(claim.effect.value) and claim.trainings == () and claim.effect.why for claim in withdrawn)


@published
def test_the_measures_of_heads_are_those_of_the_result(study: Study) -> None:
    result = study.result(study.main, "heads")
    assert result is not None
    table = stored_heads.head_table(study, study.main)
    named = {one.name: one for one in table.measures}
    np.testing.assert_array_equal(
        named["previous token"].values, result["scores_report"].sel(cls="previous token").values
    )
    np.testing.assert_array_equal(named["entropy"].values, result["breadth"].values)
    assert table.trainings == len(study.trainings(result))
    for one in table.measures:
        if one.rank_low is not None:
            assert one.rank_high is not None
            assert (one.rank_low <= one.values).all()
            assert (one.values <= one.rank_high).all()


@published
def test_the_band_is_that_of_the_comparison_of_trainings(study: Study) -> None:
    (compared, *_) = study.compared("evolution")
    found = stored_training.history(study, compared.subject.models[0].family or "")
    curves = {curve.name: curve for curve in found.curves}
    for name in compared["curves"].labels("curve"):
        np.testing.assert_allclose(curves[str(name)].trainings, compared["curves"].sel(curve=name).values)
        np.testing.assert_allclose(curves[str(name)].mean, compared["curves"].sel(curve=name).values.mean(0))


@published
def test_a_figure_is_the_reports_file_or_drawn_and_no_other(study: Study, tmp_path: Path) -> None:
    section = next(one for one in stored_findings.sections(study) if one.experiment == "heads")
    shown = section.figures[0]
    kept = stored_figures.picture(study, PUBLISHED, shown.result, shown.name)
    assert kept == (PUBLISHED / "figures" / f"{shown.name}.png").read_bytes()
    assert stored_figures.picture(study, tmp_path, shown.result, shown.name, "svg").startswith(b"<?xml")
    for key, name in (("heads-000000000000", shown.name), (shown.result, "other"), (shown.result, "../../x")):
        with pytest.raises(NanoscopeError):
            stored_figures.picture(study, PUBLISHED, key, name)


def _made(*paths: Path) -> None:
    for path in paths:
        path.mkdir(parents=True)


def test_a_training_opens_its_end_and_knows_its_checkpoints(tmp_path: Path) -> None:
    run = tmp_path / "run"
    steps = [run / "checkpoints" / f"step_{step:06d}" for step in (0, 50)]
    _made(*steps)
    assert opened([run]).checkpoints == (steps[1],)
    _made(run / "final")
    assert opened([run]).checkpoints == (run / "final",)
    assert history(run / "final") == history(steps[0]) == dict(zip((0, 50), steps, strict=True))
    assert history(tmp_path) == {}


def test_a_study_opens_its_models_and_a_model_its_study(tmp_path: Path) -> None:
    study = tmp_path / "study"
    models = [study / "models" / name / "final" for name in ("control-1", "quick-1")]
    _made(*models, study / "models" / "quick-1" / "checkpoints" / "step_7", study / "trained_models" / "control-1")
    (study / "study.json").write_text('{"study": "quick"}')
    released = study / "trained_models" / "control-1"
    assert opened([study]).checkpoints == (models[1], released)
    assert opened([study]).study == study
    assert opened([models[0]]).study == study
    assert opened([released]).study == study
    assert list(history(models[1])) == [7]
    with pytest.raises(NanoscopeError, match="one study"):
        opened([study, study])
    with pytest.raises(NanoscopeError, match="check the path"):
        opened([tmp_path / "missing"])


@published
@pytest.mark.skipif(not SHIPPED.exists(), reason="no model is shipped yet")
def test_the_shipped_model_opens_the_published_study() -> None:
    assert study_of(SHIPPED) == PUBLISHED.resolve()
    assert is_study(PUBLISHED)
    assert opened([SHIPPED]).checkpoints == (SHIPPED,)
