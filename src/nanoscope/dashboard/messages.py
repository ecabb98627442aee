"""Values as JSON: frozen dataclasses become objects, arrays lists; what is no number is null."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from fastapi import Response


def plain(value: Any) -> Any:
    """A value of a view as JSON's own kinds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(value: Any) -> str:
    """A value of a view as JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def answer(value: Any) -> Response:
    """A value of a view as an answer."""
    return Response(text(value), 200, None, "application/json")
