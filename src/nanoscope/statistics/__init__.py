"""Statistics of plain arrays: intervals, corrections, ranks, ROC curves and fits. Nothing here depends on texts or models."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
