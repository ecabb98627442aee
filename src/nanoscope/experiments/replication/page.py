"""Finding 4c of the report: what replicates."""

from nanoscope.experiments.pages import Page

PAGE = Page("Finding 4c: What replicates across trainings", figures=("replication_heads", "replication_verdicts"))
