"""Write a trained dictionary as it is published, with a card: `scripts/release_dictionary.py DIR TWIN CKPT FOLDER [TOKENS]`."""

import sys
from pathlib import Path

from nanoscope.checkpoints.checkpoint import load
from nanoscope.dictionaries.release import release
from nanoscope.dictionaries.store import load as load_dictionary
from nanoscope.text.corpora import open_corpus


def main(dictionary: str, twin: str, checkpoint: str, folder: str, tokens: str = "65536") -> None:
    both = load_dictionary(dictionary), load_dictionary(twin)
    found = release(*both, load(checkpoint), open_corpus(), Path(folder), int(tokens))
    print(f"wrote {folder}: {found}; its card: {Path(folder) / 'README.md'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
