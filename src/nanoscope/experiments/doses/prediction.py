"""The committed prediction: the law fitted to six doses, in a file that was committed before any held-out dose was trained.

`scripts/predict_doses.py` writes it once, from a study of the fitted doses alone. Until the file is there, the presets have no
held-out doses; afterwards it is what these are compared with, and never a new fit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.result import Result
from nanoscope.experiments.doses.law import Law, fitted_law, foretold, held_out

FILE = Path(__file__).with_name("prediction.json")


def committed(path: Path = FILE) -> tuple[float, ...]:
    """The law of the committed prediction as plain numbers; empty if there is none yet."""
    if not path.exists():
        return ()
    law = json.loads(path.read_text())["law"]
    return tuple(Law(**law))


def prediction(result: Result) -> dict[str, Any]:
    """What is committed: the law by the fitted doses of a result, what it foretells of the held-out ones, and its origin.

    NanoscopeError if a held-out dose was trained already."""
    if trained := [dose for dose in held_out(result.sweeps) if _trained(result.sweeps, dose)]:
        raise NanoscopeError(
            f"a prediction comes before the doses that it predicts, but {trained[0]:g} was trained already"
        )
    law = fitted_law(result.sweeps)
    return {
        "law": law._asdict(),
        "foretold": [foretold(result.sweeps, law, dose)._asdict() for dose in held_out(result.sweeps)],
        "result": result.key,
        "date": result.provenance.get("date"),
    }


def _trained(sweeps: Sweeps, dose: float) -> bool:
    return bool((sweeps["trainings"].sel(measure="formed", dose=dose).values >= 0).any())
