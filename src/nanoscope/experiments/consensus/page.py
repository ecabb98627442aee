"""Finding 5b of the report: do trainings agree on the circuit?"""

from nanoscope.experiments.pages import Page

PAGE = Page(
    "Finding 5b: Do other trainings arrive at the same circuit?", figures=("consensus_edges", "consensus_formation")
)
