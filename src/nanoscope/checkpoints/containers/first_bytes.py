"""What a file is, by its first bytes: one of the kinds that are opened, or what else it is and what to do about it."""

from __future__ import annotations

import re

ZIP, PICKLE, SAFETENSORS, JSON = "zip", "pickle", "safetensors", "json"
COPY = "copy it again"
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer and not the file itself; fetch that with `git lfs pull`"),
    (
        b"GGUF",
        "is a GGUF file, whose weights are quantised for llama.cpp; give the model's safetensors or PyTorch file",
    ),
    (b"lmgg", "is a GGML file for llama.cpp; give the model's safetensors or PyTorch file"),
    (b"tjgg", "is a GGML file for llama.cpp; give the model's safetensors or PyTorch file"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes; save the arrays with numpy.savez under their names"),
    (b"\x93NUMPY", "is one array of numpy's; save all weights with numpy.savez under their names"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first, with `gunzip` or `tar xzf`"),
    (b"BZh", "is compressed with bzip2; unpack it first, with `bunzip2` or `tar xjf`"),
    (b"\xfd7zXZ\0", "is compressed with xz; unpack it first, with `unxz` or `tar xJf`"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first, with `unzstd`"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first"),
    (b"Rar!", "is a RAR archive; unpack it first"),
    (b"\x89PNG", "is an image; give the file with the weights"),
    (b"\xff\xd8\xff", "is an image; give the file with the weights"),
    (b"GIF8", "is an image; give the file with the weights"),
    (b"%PDF", "is a PDF; give the file with the weights"),
    (b"\x7fELF", "is a program; give the file with the weights"),
)
TAR = (
    "is a tar archive; unpack it first, with `tar xf` (a file of PyTorch before 0.2: open and save it with a newer one)"
)
ONNX = "is an ONNX file, a graph; give the PyTorch or safetensors file that it was exported from"
MSGPACK = "is a msgpack file, as Flax writes; restore it there and save the arrays with numpy.savez under their names"
WEB_PAGE = "is a web page, saved in place of the file; download the file itself (its raw link)"
TEXT = "is a text file and not a checkpoint; give the file with the weights"
UNKNOWN = f"is not a readable PyTorch checkpoint; {COPY}"
EMPTY, ZEROS = f"is empty; {COPY}", f"holds nothing but zeros; {COPY}"
PATTERNS = (
    (rb".{257}ustar", TAR),
    (rb"\s*<(!doctype html|html|head|\?xml)", WEB_PAGE),
    (rb"\x08[\x01-\x20]\x12.(pytorch|tf2onnx|onnx|[ -~]{4})", ONNX),
    (rb"([\x81-\x8f]|\xde..|\xdf....)([\xa1-\xbf]|\xd9.)[ -~]", MSGPACK),
)


def container(raw: bytes) -> str | None:
    """The kind of container that a file seems to be, of those that are opened; None for another."""
    if raw[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return ZIP
    if raw[8:9] == b"{" and 2 <= int.from_bytes(raw[:8], "little") <= 100_000_000:
        return SAFETENSORS
    if raw[:1] == b"\x80" and 2 <= int.from_bytes(raw[1:2]) <= 5:
        return PICKLE
    if raw[:200].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return JSON
    return PICKLE if re.match(rb"\((dp|lp)\d|c[\w.]+\n\w+\n|[}\]]q|\(?[}\]]", raw[:200]) else None


def other(raw: bytes) -> str:
    """What a file is that is not opened, and what to do; to be read after its name."""
    if not raw.strip(b"\0"):
        return EMPTY if not raw else ZEROS
    for beginning, said in BEGINNINGS:
        if raw.startswith(beginning):
            return said
    for pattern, said in PATTERNS:
        if re.match(pattern, raw[:512], re.DOTALL | re.IGNORECASE):
            return said
    return TEXT if _is_text(raw[:4096]) else UNKNOWN


def _is_text(beginning: bytes) -> bool:
    """At least eight characters that can be printed; the last may be cut."""
    try:
        text = beginning.decode("utf-8", "strict" if len(beginning) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return len(text) >= 8 and all(one.isprintable() or one.isspace() for one in text)
