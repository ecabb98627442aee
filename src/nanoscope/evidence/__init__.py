"""A number with its meaning, a sentence with its evidence, and how both are stored and written down."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
