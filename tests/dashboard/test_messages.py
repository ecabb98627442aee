"""The page's types of the live views' messages are the server's dataclasses, field by field."""

import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

pytest.importorskip("httpx")

MESSAGES = Path(__file__).parents[2] / "frontend" / "src" / "messages.ts"


def dataclasses_of(module: str) -> dict[str, Any]:
    found = vars(import_module(module)).values()
    return {one.__name__: one for one in found if isinstance(one, type) and is_dataclass(one)}


def test_the_pages_types_mirror_the_servers() -> None:
    modules = ("circuits", "features", "lenses", "neurons", "pairs", "patching", "scores", "times")
    known = {name: of for one in modules for name, of in dataclasses_of(f"nanoscope.dashboard.{one}").items()}
    known |= dataclasses_of("nanoscope.views.patch_live") | dataclasses_of("nanoscope.views.circuit_live")
    known |= dataclasses_of("nanoscope.views.feature_cards") | dataclasses_of("nanoscope.views.features")
    known |= dataclasses_of("nanoscope.views.neuron_cards")
    interfaces = re.findall(r"export interface (\w+) \{\n(.*?)\n\}", MESSAGES.read_text(), re.DOTALL)
    assert len(interfaces) > 15
    kinds = {"number": ("float", "int"), "string": ("str",), "boolean": ("bool",)}
    for name, body in interfaces:
        mirrored = dict(re.findall(r"^  (\w+): (.+);$", body, re.MULTILINE))
        assert list(mirrored) == [one.name for one in fields(known[name])], name
        for field, hint in get_type_hints(known[name]).items():
            plain = mirrored[field].removesuffix(" | null")
            assert ("None" in str(hint)) == ("null" in mirrored[field]), f"{name}.{field}"
            if plain in kinds:
                assert any(kind in str(hint) for kind in kinds[plain]), f"{name}.{field}: {hint}"
            else:
                assert plain.endswith("[]") == ("tuple" in str(hint)), f"{name}.{field}: {hint}"
