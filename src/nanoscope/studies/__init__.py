"""Presets of many models and experiments, cut into stages and run on one machine or many."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
