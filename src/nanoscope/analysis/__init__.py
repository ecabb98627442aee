"""Analyses: functions (model, task, metric, settings) -> result, in rooms by what they look at.

Rooms never import one another.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
