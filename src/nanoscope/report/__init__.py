"""FINDINGS.md: rendered from stored results alone, the same bytes every time.

No experiment knows of the report, and the report runs no model: it reads a study's results, draws their figures, and
lays the findings' own sentences out in the order of the page that started the project.
"""

from nanoscope.evidence.stored_study import read_study
from nanoscope.report.document import render, write
from nanoscope.report.publish import publish

__all__ = ["publish", "read_study", "render", "write"]
