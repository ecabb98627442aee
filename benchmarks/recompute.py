"""Recomputes published numbers from a model's weights alone and compares them: an independent referee of the study.

Nothing here or in `referee/` imports nanoscope. The forward pass, the measures, the tables and the tasks were written from the
definitions in docs/methods/; texts and sequences are drawn anew. So a mistake in nanoscope's code shows as a disagreement.

    python benchmarks/recompute.py    # the model that comes along; a minute
    python benchmarks/recompute.py trained_models/another --label "another model" --data text.txt

The text is --data, else the file that NANOSCOPE_DATA names, else tiny Shakespeare where nanoscope keeps it. A sampled number
agrees if it lies within the published interval widened by two standard errors of the recomputation; an exact one if it is the
published one to the digits that are compared. The exit code is 1 if one number disagrees, 2 if nothing could be compared.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from referee.gpt import Refused, open_model
from referee.numbers import Row, read_texts, rows
from referee.published import open_study

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "trained_models" / "shakespeare_char_model"
CACHED = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nanoscope" / "tiny-shakespeare.txt"


def text_of(given: Path | None) -> str:
    """The text that the model was trained on."""
    named = given or os.environ.get("NANOSCOPE_DATA")
    places = [Path(named)] if named else [CACHED, ROOT.parent / "shared" / "data" / "tinyshakespeare.txt"]
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise Refused(f"no text at {places[0]}: give the file that the model was trained on with --data")


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,d}" if isinstance(value, int) else f"{value:.4f}"


def line(row: Row) -> str:
    said, found = row.published, row.recomputed
    interval = f" [{said.low:.4f}, {said.high:.4f}]" if said and said.low is not None and said.high is not None else ""
    error = f" +- {found.error:.4f}" if found.error else ""
    published, source = (_number(said.value) + interval, said.source) if said else ("", "")
    return f"{row.name:<52} {published:<25} {_number(found.value) + error:<17} {source:<11} {row.verdict}"


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Recompute published numbers from the weights alone.")
    parser.add_argument("model", nargs="?", type=Path, default=MODEL, help="a released model's folder")
    parser.add_argument("--label", help="its name in findings.json; default: that of these weights")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="the published study's folder")
    parser.add_argument("--data", type=Path, help="the text that the model was trained on")
    given = parser.parse_args(arguments)
    try:
        gpt = open_model(given.model)
        study = open_study(given.results, gpt, given.label)
        texts = read_texts(gpt, text_of(given.data), study.corpus)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{study.label}\n\n{'number':<52} {'published [95 %]':<25} {'recomputed':<17} {'version':<11} agrees")
    found = []
    for row in rows(gpt, study, texts):
        found.append(row)
        print(line(row), flush=True)
    counts = [sum(row.verdict == verdict for row in found) for verdict in ("yes", "NO", "not published")]
    print("\n{} agree, {} disagree, {} are not published in this form".format(*counts))
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
