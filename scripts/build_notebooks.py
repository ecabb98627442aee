"""Build the notebooks: execute experiments/NN_name.py (py:percent) and write experiments/NN_name.ipynb.

Cell ids and metadata are fixed, so that a second build of the same results gives the same file. Usage: `make notebooks` (or
`python scripts/build_notebooks.py NAME ...`).
"""

import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FOLDER = Path(__file__).resolve().parent.parent / "experiments"


def main() -> None:
    names = sys.argv[1:] or [path.stem for path in sorted(FOLDER.glob("[0-9]*.py"))]
    for name in names:
        print(f"{name}: running")
        notebook = jupytext.read(FOLDER / f"{name}.py")
        NotebookClient(notebook, timeout=1800, record_timing=False, resources={"metadata": {"path": FOLDER}}).execute()
        nbformat.write(_settled(notebook), FOLDER / f"{name}.ipynb")
        print(f"{name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} code cells")


def _settled(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without anything that differs from build to build."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"c{index:03d}"
        cell.metadata = nbformat.from_dict({})
        for number, output in enumerate(cell.get("outputs", ())):
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = _numbered(output.data["text/html"], f"{cell['id']}-{number}")
    return notebook


def _numbered(html: str, prefix: str) -> str:
    """The HTML with random ids (xarray makes some for every table) replaced by numbered ones."""
    ids = {name: f"{prefix}-{i}" for i, name in enumerate(dict.fromkeys(UUID.findall(html)))}
    return UUID.sub(lambda found: ids[found[0]], html)


if __name__ == "__main__":
    main()
