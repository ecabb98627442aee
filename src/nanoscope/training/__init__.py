"""From a recipe and a text to a run's checkpoints, and from a checkpoint to a release."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
