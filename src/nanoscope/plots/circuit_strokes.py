"""How an edge of a circuit is drawn: its width says how much it does, its colour in which direction."""

from __future__ import annotations

from nanoscope.plots.style import ACCENT, SECOND

THIN, THICK = 0.5, 5.0
"""Points; the width is proportional to the effect's size but for the smallest."""


def stroke(effect: float, whole: float, limit: float) -> tuple[str, float]:
    """Colour and width: `SECOND` for an effect that goes the way of the whole change, `ACCENT` for one against it; `THICK` for
    one of the size `limit`."""
    share = abs(effect) / limit if limit else 0.0
    return SECOND if effect * whole >= 0 else ACCENT, max(THIN, THICK * share)
