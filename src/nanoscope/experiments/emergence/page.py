"""Finding 1b of the report: when in training heads appear."""

from nanoscope.experiments.pages import Page

PAGE = Page("Finding 1b: When they form", figures=("emergence_onset",), control=("emergence_onset",))
