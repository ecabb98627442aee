"""The report's chapters, which group the experiments' sections. A new experiment may add its own chapter."""

from collections.abc import Sequence

from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.pages import Chapter, answers


def _opening_of_finding_four(study: Study, experiments: Sequence[str]) -> str:
    answered = [name for name in experiments if answers(study, name)]
    status = (
        f"{len(answered)} of {len(experiments)} questions answered by this study"
        if answered
        else "not measured here; it takes several trainings (`nanoscope study shakespeare-cpu`)"
    )
    return (
        "## Finding 4: How circuits evolve, how small a model can be, what replicates, what fails\n\n"
        f"**Status**: {status}  \n**Notebook**: `experiments/04_novel_findings.ipynb`\n\n"
        "Four questions; every criterion is declared in the code that measures it and was committed before the run."
    )


FINDING_1 = Chapter("Finding 1")
FINDING_2 = Chapter("Finding 2")
FINDING_3 = Chapter("Finding 3")
FINDING_4 = Chapter("Finding 4", _opening_of_finding_four)
