"""The model: its shape, weights, arithmetic and forward pass, and the names of its parts. Knows no text and no task."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
