"""Rows of a view as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping


def csv_of(rows: Iterable[Mapping[str, object]]) -> str:
    """One line for each row, below the names of the first row's columns; an empty text for no rows."""
    table, text = list(rows), io.StringIO()
    if table:
        writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return text.getvalue()
