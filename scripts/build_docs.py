"""Build the documentation site into build/site: `make docs`.

The site's source is the Markdown of the repository as it stands, with the pictures and files that it links to. It is laid
out under build/site-source in the repository's own folders, so that one relative link works here, on a code host and on the
site. MkDocs then checks every link and anchor (`--strict`).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUIET = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # the theme's notice about versions that pyproject.toml excludes
SOURCE = ROOT / "build" / "site-source"
FILES = (
    "*.md",
    "LICENSE",
    "docs/**/*.md",
    "docs/**/*.png",
    "docs/site.css",
    "benchmarks/*.md",
    "results/FINDINGS.md",
    "results/*.json",
    "results/*.png",
    "results/figures/**/*.png",
    "results/results/*/result.json",
    "experiments/*.ipynb",
    "trained_models/*/README.md",
)
"""What the site shows or links to, as patterns below the repository's root."""


def main() -> None:
    lay_out()
    built = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict"], cwd=ROOT, env=QUIET, check=False)
    if built.returncode != 0:
        sys.exit(built.returncode)
    print(f"site: {ROOT / 'build' / 'site' / 'index.html'}")


def lay_out() -> None:
    """Copy the site's source into a fresh folder."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in sorted({path for pattern in FILES for path in ROOT.glob(pattern)}):
        to = SOURCE / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


if __name__ == "__main__":
    main()
