"""Keep freed memory in the process between training steps instead of returning it to the system.

A step allocates and frees large arrays. By default glibc requests the largest from the system every time, which zeroes them
page by page and takes part of every step (benchmarks/RESULTS.md). No value depends on it. Source: glibc's `mallopt(3)`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's names for the two limits, from malloc.h."""
KEPT = 2**31 - 1024
"""Near the largest C int. No block of a step is larger, and freed memory below it is not returned."""
LARGEST_DEFAULT = 32 * 2**20
"""The maximum of glibc's own threshold, which grows with use, on a 64-bit system."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory within a `with` block and return it at the end. Without glibc this does nothing."""
    glibc = _glibc()
    if glibc is None:
        yield
        return
    glibc.mallopt(MMAP_THRESHOLD, KEPT)
    glibc.mallopt(TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        glibc.mallopt(MMAP_THRESHOLD, LARGEST_DEFAULT)
        glibc.mallopt(TRIM_THRESHOLD, 2 * LARGEST_DEFAULT)
        glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
