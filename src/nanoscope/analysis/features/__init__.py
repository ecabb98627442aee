"""Features: what the latents of a sparse dictionary mean, and how those of all layers make one prediction.

What may enter: where latents are active, what they write, concepts that are split among them, and attribution graphs.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
