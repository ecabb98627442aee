"""Finding 4b of the report: how small a model can be."""

from nanoscope.experiments.pages import Page

PAGE = Page("Finding 4b: How small can a model be?", figures=("scale_capabilities", "scale_loss"))
