"""Finding 4a of the report: how circuits evolve."""

from nanoscope.experiments.pages import Page

PAGE = Page(
    "Finding 4a: How circuits evolve during training", figures=("evolution_curves",), control=("evolution_curves",)
)
