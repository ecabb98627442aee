"""Notebooks: executed, short, without function definitions, and made from the source beside them."""

import json
import re
from pathlib import Path

import jupytext
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "experiments").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed_short_and_made_from_its_source(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(cells) <= 15
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(cell["outputs"] for cell in code)
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
    assert not any(re.search(r"^\s*def |lambda", "".join(cell["source"]), re.MULTILINE) for cell in code)
    source = jupytext.read(path.with_suffix(".py"))
    assert [cell.source for cell in source.cells] == ["".join(cell["source"]) for cell in cells]


def test_there_is_a_notebook_for_each_source() -> None:
    sources = sorted((Path(__file__).parent.parent / "experiments").glob("[0-9]*.py"))
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in sources]
    assert NOTEBOOKS
