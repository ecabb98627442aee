"""Record the trainings by which the recipe `shakespeare-cpu` was chosen: `scripts/record_search.py FOLDER ...`.

Each folder is of `nanoscope train`; a training that is not finished is left out. Writes benchmarks/recipe_search.json, which
scripts/fill_readme.py renders.
"""

import json
import sys
from pathlib import Path

from nanoscope import files
from nanoscope.checkpoints.checkpoint import load

FILE = Path(__file__).resolve().parent.parent / "benchmarks" / "recipe_search.json"
SETTINGS = ("iterations", "batch_size", "learning_rate", "seed", "precision")


def main(folders: list[str]) -> None:
    finished = [Path(folder) / "final" for folder in folders if (Path(folder) / "final").exists()]
    found = sorted((one(final) for final in finished), key=lambda run: (run["learning_rate"], run["dropout"]))
    files.write_json(FILE, found)
    print(json.dumps(found, indent=1))


def one(final: Path) -> dict[str, object]:
    """The settings that differ, and the loss on the whole validation split in nats per character."""
    checkpoint = load(final)
    settings = {name: checkpoint.training[name] for name in SETTINGS}
    return {"dropout": checkpoint.model.config.dropout, **settings, "val_loss": checkpoint.training["val_loss"]}


if __name__ == "__main__":
    main(sys.argv[1:])
