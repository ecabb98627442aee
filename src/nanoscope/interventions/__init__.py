"""Running a model while keeping or editing activations: one forward, first-order estimates, and sweeps (`replay`).

Knows models and tasks. Interpreting the numbers is left to `analysis`.
"""

from nanoscope.rooms import opened

globals().update(opened(__name__, __path__))
