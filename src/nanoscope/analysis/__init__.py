"""Analyses: functions (model, task, metric, settings) -> result, in one package per object of study.

These packages never import one another.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
