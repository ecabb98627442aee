"""Licences of the named texts, as shown on model cards."""

from __future__ import annotations

TERMS = {
    "tiny-shakespeare": "Shakespeare's plays, in the public domain; put together by Andrej Karpathy",
    "wikitext-2": "articles of the English Wikipedia, CC BY-SA; put together by Merity and others (arXiv 1609.07843)",
}
STANDARD_LIBRARY = "the standard library of Python, Python Software Foundation License"
UNKNOWN = "a text of the trainer's own; ask them for its licence"


def terms(name: str) -> str:
    """Description and licence of a corpus, by its name."""
    if name.startswith("python-") and name.endswith("-stdlib"):
        return STANDARD_LIBRARY
    return TERMS.get(name, UNKNOWN)
