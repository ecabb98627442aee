"""Numbers in, numbers out: intervals, corrections, ranks, ROC curves, fits. Nothing here knows of texts or models."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
