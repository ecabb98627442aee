"""Write the measured parts of README.md and of the docs: the published study's answers, the benchmarks' factors, and the
trainings by which a recipe was chosen.

Each part stands between `<!-- NAME -->` and `<!-- /NAME -->` and is rendered from stored results (results/ and
benchmarks/*.json), so that nobody types a number. A test checks that the pages are current. Usage: python
scripts/fill_readme.py.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nanoscope.evidence.answer import Answer
from nanoscope.evidence.markdown import table
from nanoscope.experiments.pages import study_answers
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.report import read_study

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "methods" / "training.md")
PARTS = {
    "profile": ("profile.context", "profile.layers", "lenses.beyond"),
    "heads": ("heads.previous", "heads.tokens", "heads.needed"),
    "predictions": ("lenses.writers", "lenses.meaningful"),
    "induction": ("induction.heads", "induction.long_match", "induction.accuracy", "emergence.forms"),
}
"""Part -> the claims whose answers it holds."""
SWEEPS = {
    ("layer x position", "speedup"): "layer x position",
    ("layer x position, mid-context", "speedup"): "the same, texts that differ from the middle on",
    ("layer x position, mid-context", "speedup_where_it_matters"): "... counting only cells that can have an effect",
    ("heads x position, short prompts", "speedup"): "heads x position, short prompts",
    ("heads", "speedup"): "heads",
    ("GPT-2 small's shape, layer x position", "speedup"): "layer x position, GPT-2 small's shape",
}
"""Case and reading of the benchmarks -> the sweep's name in README."""
PEERS = {"transformerlens4": "TransformerLens 4", "nnsight_worker": "nnsight", "plain": "a plain loop"}
NAMES = PEERS | {"transformerlens3": "TransformerLens 3", "matmul": "bare matrix products"}
Entry = Mapping[str, Any]


def main() -> None:
    for path in PAGES:
        path.write_text(filled(path.read_text()))
        print(f"wrote {path}")


def filled(page: str) -> str:
    """The page with every part rendered anew."""
    found = study_answers(in_todays_words(read_study(ROOT / "results")))
    entries = json.loads((ROOT / "benchmarks" / "results.json").read_text())["entries"]
    parts = {name: _answers(found, claims) for name, claims in PARTS.items()}
    parts |= {"benchmarks": _benchmarks(entries), "search": _search()}
    for name, text in parts.items():
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, text=text: _between(found, text),
            page,
            flags=re.S,
        )
    return page


def _between(found: re.Match[str], text: str) -> str:
    return f"{found[1]}{text}\n{found[2]}"


def _answers(found: Sequence[tuple[Answer, str]], claims: Sequence[str]) -> str:
    """A table of the answers on these claims; the last column counts trainings that agree."""
    by_claim = {one.claim: (one, count) for one, count in found}
    rows = [by_claim[claim] for claim in claims if claim in by_claim]
    return table(["question", "answer", "how much", "trainings"], [_row(one, count) for one, count in rows])


def _row(one: Answer, count: str) -> Sequence[str]:
    return one.ask, f"**{one.reply}**", one.size, count


def _search() -> str:
    """The trainings of the search for a recipe, the best in bold."""
    runs = json.loads((ROOT / "benchmarks" / "recipe_search.json").read_text())
    best = min(run["val_loss"] for run in runs)
    rows = [
        (
            f"{run['learning_rate']:g}",
            f"{run['dropout']:g}",
            f"**{run['val_loss']:.4f}**" if run["val_loss"] == best else f"{run['val_loss']:.4f}",
        )
        for run in runs
    ]
    return table(["learning rate", "dropout", "validation loss, nats per character"], rows)


def _benchmarks(entries: Sequence[Entry]) -> str:
    """How many times faster than each peer, and which of the thresholds set beforehand were missed."""
    ratio = {(one["case"], one["reading"], one["peer_name"]): one["ratio"] for one in entries if "ratio" in one}
    rows = [[name, *(f"{ratio[*case, peer]:.1f}" for peer in PEERS)] for case, name in SWEEPS.items()]
    speeds = table(["sweep: times faster than", *PEERS.values()], rows)
    return "\n\n".join([speeds, _thresholds(entries), _training(entries)])


def _thresholds(entries: Sequence[Entry]) -> str:
    asked = [one for one in entries if one.get("promise") is not None and "ratio" in one]
    missed = [one for one in asked if not one["met"]]
    said = "; ".join(
        f"{one['case']} against {NAMES[one['peer_name']]}, {one['ratio']:.2f} of {one['promise']:g}" for one in missed
    )
    met = f"Of {len(asked)} thresholds that were set before measuring, {len(asked) - len(missed)} were met."
    return f"{met} Missed: {said}." if missed else met


def _training(entries: Sequence[Entry]) -> str:
    share = [one["ratio"] for one in entries if one["reading"] == "step" and one["peer_name"] == "nanogpt_step"]
    return f"A training step takes {min(share):.2f} to {max(share):.2f} times as long as one of nanoGPT's `train.py`."


if __name__ == "__main__":
    main()
