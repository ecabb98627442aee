"""Circuits: which edges of a model carry a behaviour, how well an estimate finds them, and whether to believe a circuit.

What may enter: scores of edges, searches for circuits, judgements of circuits, paths, and causal scrubbing.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
