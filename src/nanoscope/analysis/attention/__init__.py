"""Attention heads: what they attend to, what they write, and how they compose."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
