"""Judge a run's stored results again: `judge_again.py RUN EXPERIMENT...`.

Where only an experiment's judgement or its words changed, its `version` was raised, and nothing needs to be measured
again, this gives every result of the version before its new findings, beside the old one. The study then finds them done.
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
