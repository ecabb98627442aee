"""Subpackages that import their modules on first use and list them for `dir` and tab completion."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any


def opened(package: str, path: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """A package's `__getattr__` and `__dir__`, to be added to its globals, so that type checkers still report wrong names."""

    def find(name: str) -> ModuleType:
        if name not in modules():
            raise AttributeError(f"{package} has no {name!r}")
        return import_module(f"{package}.{name}")

    def modules() -> list[str]:
        return [module.name for module in iter_modules(path)]

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *modules()} - {"opened"})

    return {"__getattr__": find, "__dir__": names}
