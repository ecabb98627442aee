"""Independent random streams: every use of randomness derives its own seed from labels of its purpose.

A named stream does not change when another part of a run draws more or fewer numbers.
"""

import hashlib


def seed_for(*labels: object) -> int:
    """A 63-bit seed from any labels, the same on every machine: the first bits of their SHA-256."""
    text = "\x1f".join(str(label) for label in labels)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
