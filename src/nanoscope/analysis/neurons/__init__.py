"""Neurons: statistics over text, selectivity for concepts, output weights, ablation, and universality across trainings."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
