"""Checkpoints: opening nanoGPT's and our own, saving, exporting.

Our own format is a directory: `model.safetensors` (or parts of it) and `checkpoint.json`. A nanoGPT `ckpt.pt` is opened
with `weights_only=True`, and there is no way to turn that off. What had to be assumed about a foreign file is said in
`Checkpoint.notes`; what cannot be recognised is refused in one line.
"""

from __future__ import annotations

import io
import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints import file_parts
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT, with_learned_positions
from nanoscope.text import vocabulary as tokens
from nanoscope.text.tokenizer import Tokenizer, from_json, require_tokenizer
from nanoscope.text.vocabulary import Vocabulary

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "checkpoint.json"
WRAPPERS = ("_orig_mod.", "module.")
RENAMED = {"tok_emb.": "transformer.wte.", "pos_emb.": "transformer.wpe.", "blocks.": "transformer.h."} | {
    "ln_f.": "transformer.ln_f.",
    "head.": "lm_head.",
}
STATE_KEYS = ("model", "model_state", "model_state_dict", "state_dict")
MASK_BUFFER = re.compile(r"\.attn\.(bias|masked_bias|mask)$")
LAYER = re.compile(r"transformer\.h\.(\d+)\.")


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything that is known of where it comes from."""

    model: GPT = field(repr=False)
    vocabulary: Tokenizer | None = field(repr=False, default=None)
    corpus: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """The settings it was trained with and what was measured then, as plain JSON values."""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    """What opening it had to assume."""

    def encode(self, text: str) -> Tensor:
        """Token ids of a text, `[pos]`; an error where the checkpoint came without a vocabulary."""
        return require_tokenizer(self.vocabulary).encode(text)


def load(path: str | Path, device: str = "cpu") -> Checkpoint:
    """Open a checkpoint: our directory, or a nanoGPT `ckpt.pt` (or the directory that holds one).

    The model comes back in evaluation mode and in 32-bit floats, its parameters frozen.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise NanoscopeError(f"there is no checkpoint at {path}; check the path")
    if path.is_dir() and not (path / DESCRIPTION).exists() and (path / "ckpt.pt").exists():
        path = path / "ckpt.pt"
    checkpoint = _load_directory(path) if path.is_dir() else _load_nanogpt(path)
    _refuse_broken_weights(checkpoint.model, path)
    checkpoint.model.float().eval().requires_grad_(False).to(device)
    return checkpoint


def save(checkpoint: Checkpoint, path: str | Path, half: bool = False, part_bytes: int | None = None) -> Checkpoint:
    """Write our own format, whole or not at all; gives back the checkpoint with its new checksum.

    `half` stores 16-bit floats, `part_bytes` splits the weights into files of at most that size, each with a checksum in
    `checkpoint.json`. Weights that 16 bits cannot hold are refused.
    """
    content, sha256 = packed(checkpoint, half, part_bytes)
    if Path(path).exists() and load(path).sha256 != sha256:
        raise NanoscopeError(f"{path} holds another checkpoint; choose another path or remove it")
    with files.new_directory(Path(path)) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)
    return replace(checkpoint, sha256=sha256)


def packed(checkpoint: Checkpoint, half: bool = False, part_bytes: int | None = None) -> tuple[dict[str, bytes], str]:
    """What `save` writes, file name -> bytes, and the checkpoint's checksum."""
    state = dict(_own_weights(checkpoint.model))
    weights = safetensors.torch.save(halved(state) if half else state)
    content = {WEIGHTS: weights} if part_bytes is None else file_parts.split(WEIGHTS, weights, part_bytes)
    description = {
        "format": FORMAT,
        "config": checkpoint.model.config.stored(),
        "vocabulary": checkpoint.vocabulary and checkpoint.vocabulary.to_json(),
        "corpus": checkpoint.corpus,
        "training": dict(checkpoint.training),
    }
    if part_bytes is not None:
        description["parts"] = {name: files.sha256(part) for name, part in content.items()}
    description = json.loads(json.dumps(description))
    description["sha256"] = _digest(weights, description)
    return {**content, DESCRIPTION: (json.dumps(description, indent=1) + "\n").encode()}, description["sha256"]


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights rounded to 16-bit floats; NanoscopeError where one does not fit."""
    for name, value in state.items():
        if not torch.isfinite(value.half()).all():
            raise NanoscopeError(
                f"the weight {name} holds values that 16 bits cannot; keep the model in full precision"
            )
    return {name: value.half() for name, value in state.items()}


def export(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write nanoGPT's `ckpt.pt` and, beside it, `meta.pkl`. A model that nanoGPT cannot express is refused.

    Fixed positions become a learned table with their values, which computes the same."""
    model, plain = with_learned_positions(checkpoint.model), GPTConfig()
    config = model.config
    foreign = [f.name for f in fields(config) if f.name not in _NANOGPT_FIELDS]
    differing = [name for name in foreign if getattr(config, name) != getattr(plain, name)]
    if differing:
        name = differing[0]
        raise NanoscopeError(f"nanoGPT has no {name}={getattr(config, name)!r}, so this model cannot be exported to it")
    state = {
        "model": model.state_dict(),
        "model_args": {name: getattr(config, name) for name in _NANOGPT_FIELDS},
        "iter_num": checkpoint.training.get("step", 0),
        "best_val_loss": checkpoint.training.get("val_loss"),
        "config": {**({"dataset": checkpoint.corpus} if checkpoint.corpus else {}), **checkpoint.training},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_bytes(Path(path), buffer.getvalue())
    if isinstance(checkpoint.vocabulary, Vocabulary):  # nanoGPT's file holds nothing but a table of symbols
        files.write_bytes(Path(path).with_name("meta.pkl"), tokens.write_meta(checkpoint.vocabulary))


_NANOGPT_FIELDS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")


# ---- our own format ------------------------------------------------------------------------------------------------


def _load_directory(path: Path) -> Checkpoint:
    try:
        description = json.loads((path / DESCRIPTION).read_text())
        weights = _read_weights(path, description)
    except NanoscopeError:
        raise
    except FileNotFoundError as error:
        raise NanoscopeError(f"{path} is no checkpoint: {Path(error.filename).name} is missing") from None
    except (OSError, ValueError) as error:
        raise NanoscopeError(f"{path / DESCRIPTION} cannot be read ({error}); copy the checkpoint again") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise NanoscopeError(f"{path / DESCRIPTION} is not of format {FORMAT}; it was written by another version")
    if _digest(weights, description) != description.get("sha256"):
        raise NanoscopeError(f"{path} has been changed or damaged (its checksum differs); copy it again")
    try:
        model = GPT(GPTConfig(**description["config"]))
        vocabulary = description["vocabulary"] and from_json(description["vocabulary"])
    except (KeyError, TypeError) as error:
        raise NanoscopeError(f"{path / DESCRIPTION} is not one of nanoscope's ({error})") from None
    state = safetensors.torch.load(weights)
    _fill(model, state, path)
    half = any(value.dtype == torch.float16 for value in state.values())
    notes = ("its weights were stored in half precision",) if half else ()
    corpus, training, sha256 = (description[key] for key in ("corpus", "training", "sha256"))
    return Checkpoint(model, vocabulary or None, corpus, training, sha256, notes)


def _read_weights(path: Path, description: Any) -> bytes:
    """The weights, joined where they are in parts."""
    if isinstance(description, dict) and "parts" in description:
        return file_parts.join(path, description["parts"])
    return (path / WEIGHTS).read_bytes()


def _digest(weights: bytes, description: Mapping[str, Any]) -> str:
    """Checksum of the weights and of everything said about them: what a result calls this checkpoint by."""
    said = {key: value for key, value in description.items() if key != "sha256"}
    return files.sha256(weights + files.canonical_json(said).encode())


def _own_weights(model: GPT) -> Mapping[str, Tensor]:
    """The state dict without the head that a tied model keeps twice."""
    tied = model.config.tied_head
    return {k: v.contiguous() for k, v in model.state_dict().items() if not (tied and k == "transformer.wte.weight")}


# ---- nanoGPT's format ----------------------------------------------------------------------------------------------


def _load_nanogpt(path: Path) -> Checkpoint:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NanoscopeError(f"{path} cannot be read ({error.strerror}); check the path") from None
    content = _unpickled(raw, path)
    state, notes = _nanogpt_state(content, path)
    config, assumed = _nanogpt_config(state, content, path)
    model = GPT(config)
    _fill(model, state, path)
    vocabulary, said = _foreign_vocabulary(content, path, config.vocab_size)
    training = {k: v for k, v in _plain(content.get("config")).items() if k != "dataset"}
    training |= {"step": content["iter_num"]} if isinstance(content.get("iter_num"), int) else {}
    corpus = _plain(content.get("config")).get("dataset")
    corpus = corpus if isinstance(corpus, str) else None
    return Checkpoint(model, vocabulary, corpus, training, files.sha256(raw), (*notes, *assumed, *said))


def _unpickled(raw: bytes, path: Path) -> Any:
    """What torch's safe unpickler makes of the bytes: it fails in every way that damaged bytes can make it fail."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:
        if wanted := re.search(r"GLOBAL (\S+)", str(error)):
            raise NanoscopeError(
                f"{path} holds more than weights (it asks for {wanted[1]}) and was not opened; save only its "
                "state_dict, as nanoGPT does"
            ) from None
        raise NanoscopeError(f"{path} is not a readable PyTorch checkpoint; copy it again") from None


def _nanogpt_state(content: Any, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights under nanoGPT's names: wrappers' prefixes and mask buffers dropped, known renamings undone."""
    candidates = [content[key] for key in STATE_KEYS if key in content] if isinstance(content, Mapping) else []
    state = next((c for c in [*candidates, content] if _is_weights(c)), None)
    if state is None:
        raise NanoscopeError(f"{path} holds no model weights (nanoGPT keeps them under 'model'); is it a checkpoint?")
    state = {_unwrapped(str(key)): value for key, value in state.items()}
    notes: tuple[str, ...] = ()
    if "tok_emb.weight" in state:
        state = {_renamed(key): value for key, value in state.items()}
        notes = ("its parameters have other names than nanoGPT's (tok_emb, blocks, ...); they were renamed",)
    if "transformer.wte.weight" not in state:
        raise NanoscopeError(f"{path} is not a nanoGPT: it has no transformer.wte.weight but {next(iter(state))!r}")
    return {key: value for key, value in state.items() if not _is_mask(key, value)}, notes


def _nanogpt_config(
    state: Mapping[str, Tensor], content: Mapping[str, Any], path: Path
) -> tuple[GPTConfig, tuple[str, ...]]:
    """The shape from the weights themselves; only what weights cannot show is taken from `model_args` or assumed."""
    said = _plain(content.get("model_args")) or _plain(content.get("config"))
    for name in ("transformer.wte.weight", "transformer.wpe.weight"):
        if name not in state or state[name].dim() != 2:
            raise NanoscopeError(f"{path}: the weight {name} is missing or is no matrix; it cannot be opened")
    vocab, width = state["transformer.wte.weight"].shape
    heads = said.get("n_head") or said.get("n_heads")
    if not isinstance(heads, int):
        raise NanoscopeError(
            f"{path} does not say how many heads the model has (model_args.n_head); it cannot be opened"
        )
    neurons = state.get("transformer.h.0.mlp.c_fc.weight")
    head = state.get("lm_head.weight", state["transformer.wte.weight"])
    config = GPTConfig(
        n_layer=len({layer[1] for key in state if (layer := LAYER.match(key))}),
        n_head=heads,
        n_embd=width,
        block_size=state["transformer.wpe.weight"].shape[0],
        vocab_size=vocab,
        dropout=dropout if isinstance(dropout := said.get("dropout"), float) else 0.0,
        bias=any(key.endswith("attn.c_attn.bias") for key in state),
        tied_head=torch.equal(head, state["transformer.wte.weight"]),
        head_bias="lm_head.bias" in state,
        final_norm=any(key.startswith("transformer.ln_f.") for key in state),
        attention_only=not any(".mlp." in key for key in state),
        n_inner=None if neurons is None or neurons.shape[:1] in ((), (4 * width,)) else len(neurons),
    )
    unusual = {
        "the unembedding is not the embedding (untied head)": not config.tied_head,
        "its head has a bias": config.head_bias,
        "it has no final norm": not config.final_norm,
        "it has no MLPs": config.attention_only,
        "assumed, as in today's nanoGPT: layer norm, exact GELU, scores over the root of d_head": "bias" not in said,
    }
    return config, tuple(note for note, holds in unusual.items() if holds)


def _foreign_vocabulary(
    content: Mapping[str, Any], path: Path, vocab_size: int
) -> tuple[Vocabulary | None, tuple[str, ...]]:
    """From `itos` inside the checkpoint, else from `meta.pkl` beside it, else none."""
    meta = path.with_name("meta.pkl")
    holder = next((c for c in (content, _plain(content.get("config"))) if "itos" in c), None)
    if holder is not None:
        vocabulary = tokens.from_itos(holder["itos"], f"{path} (itos)")
    else:
        vocabulary = tokens.read_meta(meta) if meta.exists() else None
    if vocabulary is None:
        return None, ("it came without a vocabulary: text can be neither read nor printed",)
    if len(vocabulary) > vocab_size:
        raise NanoscopeError(
            f"the vocabulary beside {path} has {len(vocabulary)} symbols but the model {vocab_size}; "
            "it belongs to another"
        )
    padding = vocab_size - len(vocabulary)
    return vocabulary, ((f"{padding} rows of the embedding are padding",) if padding else ())


def _unwrapped(key: str) -> str:
    while wrapper := next((w for w in WRAPPERS if key.startswith(w)), None):
        key = key[len(wrapper) :]
    return key


def _renamed(key: str) -> str:
    old = next((old for old in RENAMED if key.startswith(old)), None)
    return key if old is None else RENAMED[old] + key[len(old) :]


def _is_mask(key: str, value: Tensor) -> bool:
    """Old nanoGPT and minGPT keep the causal mask as a 4-dimensional buffer called `attn.bias`."""
    return bool(MASK_BUFFER.search(key)) and value.dim() != 1


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(one, Tensor) for one in value.values())


def _plain(value: Any) -> dict[str, Any]:
    """The plain values of a mapping; tensors and anything else stay behind."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {k: v for k, v in items if isinstance(k, str) and _is_plain(v)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str, type(None)))


# ---- both ----------------------------------------------------------------------------------------------------------


def _fill(model: GPT, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into the model, every one and each of the right shape."""
    expected = model.state_dict()
    given = dict(state)
    if model.config.tied_head:
        tied = given.get("lm_head.weight", given.get("transformer.wte.weight"))
        given |= {} if tied is None else {"lm_head.weight": tied, "transformer.wte.weight": tied}
    for name in [*sorted(expected.keys() - given.keys()), *sorted(given.keys() - expected.keys())]:
        state_of = "is missing" if name in expected else "has no place in a nanoGPT"
        raise NanoscopeError(f"{path}: the weight {name!r} {state_of}; it cannot be opened")
    for name, value in expected.items():
        if value.shape != given[name].shape:
            shapes = f"{list(given[name].shape)}, where the model needs {list(value.shape)}"
            raise NanoscopeError(f"{path}: {name} has the shape {shapes}; it cannot be opened")
    model.load_state_dict(given)


def _refuse_broken_weights(model: GPT, path: Path) -> None:
    for name, value in model.state_dict().items():
        if not torch.isfinite(value).all():
            raise NanoscopeError(f"{path}: the weight {name} holds NaN or infinity; train again or use an earlier one")
