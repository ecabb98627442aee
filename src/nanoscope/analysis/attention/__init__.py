"""What attention heads look at, what they pass on, and how they work together."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
