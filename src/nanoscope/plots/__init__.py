"""What several experiments draw with. Beside `experiments/*/figures` the only importer of matplotlib."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
