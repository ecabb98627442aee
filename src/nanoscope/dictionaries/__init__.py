"""Sparse dictionaries of activations: autoencoders and transcoders, their training, measures and controls.

Knows models and texts. What a feature means is left to `analysis`.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
