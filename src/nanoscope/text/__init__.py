"""Texts: tokenizers, windows, kinds of characters, earlier matches, n-gram tables, corpora. Knows no model."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
