"""Hand-built models whose circuits are known, so that every method can be validated on them first."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
