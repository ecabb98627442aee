"""Memory that a training step gives back and takes again is kept by the process, not returned to the system.

A step makes and frees large arrays. glibc asks the system for each of the largest anew, and the system hands memory out page
by page, zeroed, which takes a part of every step (benchmarks/RESULTS.md). No value depends on it. Source: glibc's `mallopt(3)`.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's names for the two limits, from malloc.h."""
KEPT = 2**31 - 1024
"""About what a C int holds: no block that a step makes is larger, and no more than that is given back at once."""
LARGEST_DEFAULT = 32 * 2**20
"""Where glibc's own threshold, which grows with use, ends on a 64-bit system."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """For the time of a `with` block; at its end all is returned. Does nothing where the C library is not glibc."""
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
