"""Formats of other programs that we write: `written(contents) -> {file name: bytes}`, or a refusal that says why.

Fixed position embeddings become a learned table with the same values.
"""
