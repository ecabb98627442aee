"""What hidden units do: over a text, for a concept, by their weights, without them, in other trainings."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
