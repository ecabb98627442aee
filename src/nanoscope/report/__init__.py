"""Render FINDINGS.md from stored results; the same results give the same bytes.

Experiments do not depend on the report, and the report runs no model. It reads a study's results, draws their figures and
arranges the findings' sentences in the order of the report that started the project.
"""

from nanoscope.evidence.stored_study import read_study
from nanoscope.report.current import is_current, note_current
from nanoscope.report.document import render, write
from nanoscope.report.publish import publish

__all__ = ["is_current", "note_current", "publish", "read_study", "render", "write"]
