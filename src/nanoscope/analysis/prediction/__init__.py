"""How a prediction forms: lenses, direct contributions, and what a model can do in the end."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
