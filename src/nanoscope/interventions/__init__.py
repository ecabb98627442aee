"""A model run with activations kept or edited: one forward, its first-order estimate, and whole sweeps (`replay`).

Knows models and tasks; what a number means is for `analysis` to say.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
