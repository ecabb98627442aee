"""Judge stored results of a run again, without measuring: `judge_again.py RUN EXPERIMENT...`.

For experiments whose `version` was raised because only their judgement or wording changed. Every result of the previous
version is judged again and stored as a new result, which the study then reuses.
"""

import sys
from pathlib import Path

from nanoscope.evidence.result import load_result, save_result
from nanoscope.experiments import open_experiment
from nanoscope.experiments.runner import judged_again


def main(run: Path, experiments: list[str]) -> None:
    for name in experiments:
        experiment = open_experiment(name)
        stored = [load_result(path) for path in sorted((run / "results").glob(f"{name}-*"))]
        before = [result for result in stored if result.identity["version"] == experiment.version - 1]
        for result in before:
            print(f"{result.subject.label}: {save_result(judged_again(experiment, result), run / 'results').name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
