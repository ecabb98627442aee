"""What the pages say exists: links, commands and their options, names of the library, tests, defaults, figures."""

import ast
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

import nanoscope as ns
from nanoscope.cli import COMMANDS, main
from nanoscope.experiments import EXPERIMENTS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
VALUE = re.compile(r"`(\w+)=([^`]+)`")
METHODS = ROOT / "docs" / "methods"

every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in LINK.findall(_prose(page)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), target
        assert not anchor or anchor in _anchors(to), target


@every_page
def test_every_command_and_option_exists(page: Path) -> None:
    for name, *rest in _commands(page):
        said = " ".join((name, *rest))
        assert name != "run" or not rest or rest[0] in (*EXPERIMENTS, "EXPERIMENT", "NAME"), said
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        divided = rest and ((name == "run" and options) or f"{name} {rest[0]}" in COMMANDS)
        command = (name, rest[0]) if divided else (name,)
        assert options <= _options(*command), said


@every_page
def test_every_name_of_the_library_exists(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\bns\.([A-Za-z_][\w.]*\w|[A-Za-z_])", text):
        value: Any = ns
        for part in name.split("."):
            value = getattr(value, part)
    for name in re.findall(r"(?<![\w/])nanoscope(?:\.\w+)+", text):
        resolve_name(name)


@every_page
def test_every_python_block_is_python(page: Path) -> None:
    for language, code in BLOCK.findall(page.read_text()):
        if language == "python":
            ast.parse(code)


@every_page
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_the_defaults_that_the_methods_name_are_those_of_the_code() -> None:
    found = [one for page in METHODS.glob("*.md") for one in _defaults(page.read_text())]
    assert len(found) > 30
    for holder, name, value in found:
        assert _default(holder, name) == ast.literal_eval(value), f"{holder}.{name}"


def test_every_analysis_has_a_method() -> None:
    text = "\n".join(page.read_text() for page in METHODS.glob("*.md"))
    folder = ROOT / "src" / "nanoscope" / "analysis"
    for path in folder.rglob("*.py"):
        if path.stem not in ("__init__", "grids", "activations"):  # parts of patching and of neurons
            name = ".".join(("nanoscope.analysis", *path.relative_to(folder).with_suffix("").parts))
            assert name in text, name


def test_the_list_of_rooms_is_that_of_the_package() -> None:
    """Folders of the package, and of those rooms that are divided; experiments are one row."""
    package = ROOT / "src" / "nanoscope"
    folders = {path.parent.relative_to(package).as_posix() for path in package.rglob("__init__.py")}
    rooms = {name for name in folders if not name.startswith("experiments/")} - {".", "analysis"}
    listed = re.findall(r"^\| `([\w/]+)` \|", (ROOT / "docs" / "building.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(rooms)


def test_every_kind_of_figure_is_explained_with_its_picture() -> None:
    """Stems of the published figures: each is a heading's name, and its section shows the picture."""
    sections = "\n".join(page.read_text() for page in (ROOT / "docs" / "figures").glob("*.md")).split("\n## ")
    for stem in {path.stem for path in (ROOT / "results" / "figures").rglob("*.png")}:
        about = [one for one in sections if f"`{stem}`" in one.split("\n")[0]]
        assert len(about) == 1, f"{len(about)} sections of docs/figures/ have {stem} in their heading"
        assert f"/{stem}.png)" in about[0], stem


def test_docstrings_cite_pages_that_exist() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"methods\.md \d", text), path
        for cited in re.findall(r"docs/[\w/]+\.md", text):
            assert (ROOT / cited).exists(), f"{path}: {cited}"


# ---- reading the pages ---------------------------------------------------------------------------------------------


def _prose(page: Path) -> str:
    """The page without its code."""
    return CODE.sub("", BLOCK.sub("", page.read_text()))


@cache
def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and MkDocs make them."""
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-") for title in titles}


def _commands(page: Path) -> Iterator[list[str]]:
    """The words after `nanoscope`, of every command in a bash block or in code of a line."""
    text = page.read_text()
    lines = [line for language, code in BLOCK.findall(text) if language == "bash" for line in code.splitlines()]
    for line in [*lines, *CODE.findall(BLOCK.sub("", text))]:
        words = line.strip().split(maxsplit=1)
        if words[:1] == ["nanoscope"] and len(words) > 1:
            found = shlex.split(words[1], comments=True)
            if found[0] != "--version" and found[0].islower():
                yield [found[0].rstrip(","), *found[1:]]


@cache
def _options(*command: str) -> set[str]:
    """The options of a command, as its help prints them; AssertionError if there is no such command."""
    printed = io.StringIO()
    with redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0, f"there is no nanoscope {' '.join(command)}"
    return set(re.findall(r"--[\w-]+", printed.getvalue()))


def _defaults(text: str) -> Iterator[tuple[str, str, str]]:
    """`(module or dataclass, name, value)` for every `name=value` after the code that a **Defaults** paragraph names."""
    for paragraph in re.findall(r"\*\*Defaults\*\*.*?(?=\n\n)", text, re.DOTALL):
        holder = ""
        for one in re.findall(r"`[^`]+`", paragraph.replace("\n", " ")):
            holder = one.strip("`") if one.startswith("`nanoscope.") else holder
            for name, value in VALUE.findall(one):
                yield holder, name, value


def _default(holder: str, name: str) -> Any:
    value = resolve_name(holder) if holder.rpartition(".")[2][:1].isupper() else import_module(holder)
    return getattr(value, name)
