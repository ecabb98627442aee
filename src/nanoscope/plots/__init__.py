"""Drawing code shared by several experiments. Only this package and `experiments/*/figures` import matplotlib."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
