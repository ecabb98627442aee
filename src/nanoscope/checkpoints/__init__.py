"""Models on disk: read, write and export nanoGPT's files and nanoscope's own."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
