"""How a prediction forms: lenses, direct contributions, and the behaviour that results."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
