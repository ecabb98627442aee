"""A fingerprint of the code behind an experiment's numbers, so that numbers and code cannot drift apart unnoticed.

It covers the package's modules that the experiment imports, directly or indirectly, as syntax trees without docstrings:
comments, formatting and files outside the package do not count. Modules that only draw or write text are left out:
`figures`, `page` and `questions` of an experiment, `plots` and `report`.
"""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from nanoscope import files


@cache
def source_digest(experiment: str) -> str:
    """Hash of all code in the package that `nanoscope.experiments.<experiment>` imports: 16 hex digits."""
    modules = sorted(_reached(f"nanoscope.experiments.{experiment}"))
    return files.sha256("\n".join(f"{name} {_code(name)}" for name in modules).encode())[:16]


def _reached(start: str) -> set[str]:
    """The module and everything it imports, except modules that only draw or write text."""
    found, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in found and not _only_presents(name):
            found.add(name)
            waiting += _imports(name)
    return found


def _only_presents(name: str) -> bool:
    """Whether a module only draws or writes text: no number depends on it, so rewording makes no result stale."""
    return name.startswith(("nanoscope.plots", "nanoscope.report")) or _leaf(name) in ("figures", "page", "questions")


def _imports(name: str) -> list[str]:
    tree = ast.parse(_path(name).read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    named = [f"{node.module}.{alias.name}" for node in froms for alias in node.names]
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    candidates = [*named, *(str(node.module) for node in froms), *plain]
    return [module for module in candidates if module.startswith("nanoscope.") and _is_module(module)]


def _code(name: str) -> str:
    tree = ast.parse(_path(name).read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # pyright: ignore[reportAttributeAccessIssue]
                part for part in body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]
    return ast.dump(tree)


def _is_module(name: str) -> bool:
    parent = name.rpartition(".")[0]
    folder = _path(parent).parent if _path(parent).name == "__init__.py" else None
    return folder is not None and any(
        (folder / end).exists() for end in (f"{_leaf(name)}.py", f"{_leaf(name)}/__init__.py")
    )


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


@cache
def _path(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)
