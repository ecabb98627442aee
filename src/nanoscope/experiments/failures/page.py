"""Finding 4d of the report: predicting the model's errors."""

from nanoscope.experiments.pages import Page

PAGE = Page("Finding 4d: Can circuits predict the model's errors?", figures=("failures_auroc",))
