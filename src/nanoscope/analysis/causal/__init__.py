"""Causal analyses: patching and ablation of activations, with exact effects."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
