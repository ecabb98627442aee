"""What models of known answer say, for reports that analysed none: findings that come with the package.

The hand-built model and one trained positive control, as `scripts/bundle_controls.py` measured them with the code of their
version. Only findings are kept, since a report shows nothing else of them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from nanoscope.evidence.result import Result, from_json
from nanoscope.evidence.stored_study import ROLES

FILE = Path(__file__).with_name("controls.json")


def bundled(experiment: str) -> tuple[Result, ...]:
    """The bundled results of an experiment, without their numbers' arrays; none for an experiment that was not bundled."""
    found = (result for result in _all() if result.experiment == experiment)
    return tuple(sorted(found, key=lambda result: ROLES.index(result.subject.role)))


@cache
def _all() -> tuple[Result, ...]:
    return tuple(from_json(stored, {}) for stored in json.loads(FILE.read_text())) if FILE.exists() else ()
