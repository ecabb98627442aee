"""What a prediction needs: activations patched or ablated, every effect exact."""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
