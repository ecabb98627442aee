"""What is read: vocabularies, windows, kinds of characters, earlier matches, n-gram tables. Knows no model."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
