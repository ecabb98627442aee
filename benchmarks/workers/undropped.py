"""Our own training step without dropout: what dropout costs is measured against it."""

from __future__ import annotations

from dataclasses import replace

import ours
from protocol import Case, Run, Subject, serve


def load(case: Case, subject: Subject) -> Run:
    return ours.load(replace(case, dropout=0.0), subject)


if __name__ == "__main__":
    serve(load, "nanoscope")
