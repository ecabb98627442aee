"""Make `experiments/controls.json` anew: what one trained positive control and the hand-built model show.

A report of models that come without controls shows these beside them. `bundle_controls.py [FOLDER]` trains and measures them
(about fifteen minutes on two cores; FOLDER keeps the study, and a stopped run goes on) and keeps the findings alone.
"""

import sys
from pathlib import Path

from nanoscope import files
from nanoscope.evidence.result import to_json
from nanoscope.experiments.controls import FILE
from nanoscope.studies.presets import STUDIES, only
from nanoscope.studies.run import run_study
from nanoscope.text.corpora import open_corpus


def main(folder: Path) -> None:
    results = run_study(
        only(STUDIES["control"], seeds=1), open_corpus(), folder, workers=1, command="bundle_controls.py"
    )
    kept = sorted(results, key=lambda result: result.key)
    files.write_json(FILE, [to_json(result) for result in kept])
    print(f"{FILE}: {len(kept)} results, {FILE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/bundled-controls"))
