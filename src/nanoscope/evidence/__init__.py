"""Sweeps (numbers with axes and units), claims, findings and results, and how they are stored and put into words."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
