"""Models on disk: nanoGPT's files and our own, read, written and exported."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
