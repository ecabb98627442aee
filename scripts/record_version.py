"""Record that the code behind an experiment's numbers is what its version number stands for.

After a change of code that an experiment reaches, either raise the experiment's `version` (the numbers changed) or be
sure that they did not; then run this. CI fails while it has not been run.
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
            print(f"{name}: version {version} now also stands for {digest}")
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
