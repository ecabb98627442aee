"""README's measured parts are what the stored results say, and its text is short."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_is_current() -> None:
    filled = runpy.run_path(str(ROOT / "scripts" / "fill_readme.py"))["filled"]
    page = (ROOT / "README.md").read_text()
    assert filled(page) == page, "README.md is out of date: run scripts/fill_readme.py"
    assert page.count("<!-- /") == 5
    assert len(page.splitlines()) < 200
