"""Record the present code as belonging to the present version of each experiment.

Run it after changing code that an experiment uses. First raise the experiment's `version` if its numbers changed, or make
sure that they did not. CI fails until this script has been run.
"""

import json
from pathlib import Path

from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.experiments.code_digest import source_digest

RECORD = Path(__file__).resolve().parent.parent / "src" / "nanoscope" / "experiments" / "versions.json"


def main() -> None:
    record = json.loads(RECORD.read_text())
    for name in EXPERIMENTS:
        version, digest = str(open_experiment(name).version), source_digest(name)
        known = record.setdefault(name, {}).setdefault(version, [])
        if digest not in known:
            known.append(digest)
            print(f"{name}: version {version} now includes code {digest}")
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
