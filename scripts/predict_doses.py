"""Write the prediction of the held-out doses of copying, once, from a study of the fitted doses; then commit it.

nanoscope study doses                       # trains the six fitted doses, no other: there is no prediction yet
python scripts/predict_doses.py runs/doses
git commit -am "Prediction of the held-out doses"
nanoscope study doses                       # goes on with the four held-out doses, and compares
"""

import argparse
from pathlib import Path

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result, load_results
from nanoscope.experiments.doses.measure import Params
from nanoscope.experiments.doses.prediction import FILE, prediction


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fit the law of formation and write what it foretells of the held-out doses."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of `nanoscope study doses`")
    try:
        foretold = prediction(_whole(parser.parse_args().run))
        if FILE.exists():
            raise NanoscopeError(f"{FILE} is there already; a prediction is made once and not changed")
    except NanoscopeError as error:
        parser.error(str(error))
    files.write_json(FILE, foretold)
    for said in foretold["foretold"]:
        print("dose {dose:g}: half by iteration {median:,.0f}, {forming:.1f} trainings form in time".format(**said))
    print(f"written to {FILE}: commit it before the held-out doses are trained")


def _whole(run: Path) -> Result:
    """The comparison of all trainings of the fitted doses; NanoscopeError if one is missing or a held-out one is there."""
    params = Params()
    early = [path.name for dose in params.held_out for path in (run / "models").glob(f"dose-{dose:.2f}-*")]
    if early:
        raise NanoscopeError(f"{run} already holds {early[0]}, which has to be predicted before it is trained")
    found = [result for result in load_results(run / "results") if result.experiment == "doses"]
    whole = len(params.fitted) * len(params.seeds)
    complete = [result for result in found if (result["trainings"].sel(measure="formed").values >= 0).sum() == whole]
    if len(complete) != 1:
        raise NanoscopeError(
            f"{run} has no comparison of all {whole} trainings of the fitted doses; run `nanoscope study doses`"
        )
    return complete[0]


if __name__ == "__main__":
    main()
