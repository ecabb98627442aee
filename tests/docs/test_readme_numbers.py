"""The measured parts of README and of the docs are what the stored results say, and README's text is short."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_measured_parts_are_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "fill_readme.py"))
    pages = {path.name: path.read_text() for path in script["PAGES"]}
    assert {name: page.count("<!-- /") for name, page in pages.items()} == {"README.md": 5, "training.md": 1}
    for name, page in pages.items():
        assert script["filled"](page) == page, f"{name} is out of date: run scripts/fill_readme.py"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
