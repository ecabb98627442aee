"""A report is current while its results, its code and its files are as they were when it was written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nanoscope import cli, report
from nanoscope.report import current
from nanoscope.report.document import FILES
from nanoscope.studies import run as study
from nanoscope.text.corpora import Corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*FILES, "study.json", "figures/a.png", "figures/own/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert not report.is_current(tmp_path)
    report.note_current(tmp_path)
    return tmp_path


CHANGES: dict[str, Callable[[Path], object]] = {
    "another page": lambda folder: (folder / "FINDINGS.md").write_text("mine"),
    "other results": lambda folder: (folder / "study.json").write_text("{}"),
    "a figure gone": lambda folder: (folder / "figures" / "own" / "b.png").unlink(),
    "a figure cut short": lambda folder: (folder / "figures" / "a.png").write_text("a"),
    "another key figure": lambda folder: (folder / "attention_pattern_grid.png").write_text("mine"),
    "no findings": lambda folder: (folder / "findings.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_report_is_not_current(folder: Path, change: str) -> None:
    assert report.is_current(folder)
    CHANGES[change](folder)
    assert not report.is_current(folder)


def test_changed_code_templates_or_controls_make_it_out_of_date(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "package"
    (package / "report").mkdir(parents=True)
    changed = (package / "report" / "frame.md.j2", package / "controls.json")
    for path in changed:
        path.write_text("one")
    monkeypatch.setattr(current, "PACKAGE", package)
    for path in changed:
        report.note_current(folder)
        assert report.is_current(folder)
        path.write_text("other")
        assert not report.is_current(folder)


def test_a_finished_study_says_that_nothing_is_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shakespeare: Corpus
) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("the report was to be written")

    monkeypatch.setattr(study, "run_study", lambda *_: ())
    monkeypatch.setattr(report, "write", unwanted)
    cli.main(["study", "quick", "--out", str(folder)])
    assert capsys.readouterr().out == f"nothing to do: all stages are finished\nreport: {folder / 'FINDINGS.md'}\n"
