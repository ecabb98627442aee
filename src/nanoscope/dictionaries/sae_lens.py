"""SAELens's file layout: `cfg.json` and `sae_weights.safetensors`, so that its tools open our dictionaries and we open its.

Names and meanings as in sae-lens 6: `W_enc [d_in d_sae]`, `b_enc`, `W_dec [d_sae d_out]`, `b_dec`, `threshold` (jumprelu) and
`W_skip [d_out d_in]`. There an autoencoder may subtract `b_dec` from its input (`apply_b_dec_to_input`); that is folded into
`b_enc` here, and what is written does not subtract. batchtopk is written as jumprelu with one threshold, as SAELens does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from nanoscope import files
from nanoscope.dictionaries.coder import Coder, Kind, Shape
from nanoscope.dictionaries.source import SITES, Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.model.sites import Site

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
HOOKS = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "z": "attn.hook_z",
    "attn_out": "hook_attn_out",
    "post": "mlp.hook_post",
    "mlp_out": "hook_mlp_out",
}
"""TransformerLens's names of our sites."""
MLP_INPUT = "ln2.hook_normalized"
AUTOENCODERS: dict[str, Kind] = {"standard": "relu", "topk": "topk", "jumprelu": "jumprelu"}
TRANSCODERS: dict[str, Kind] = {
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}
SHARED = ("b_enc", "W_dec", "b_dec", "W_skip")
"""Weights that have the same name and shape there; `W_enc` is transposed."""


def export(dictionary: Dictionary, folder: str | Path) -> None:
    """Write a dictionary as SAELens does. NanoscopeError for what it has no name for: a topk transcoder, a skip of an SAE."""
    shape, source = dictionary.coder.shape, dictionary.source
    architecture = _architecture(shape, source.transcoder)
    config: dict[str, Any] = {
        "architecture": architecture,
        "d_in": shape.d_in,
        "d_sae": shape.latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if source.site.name == "z" and source.site.head is None else "none",
        **({"k": shape.k, "rescale_acts_by_decoder_norm": False} if shape.kind == "topk" else {}),
        **({"d_out": shape.d_out} if source.transcoder else {}),
        "metadata": _metadata(dictionary),
    }
    weights = {name: value.data for name, value in dictionary.coder.named_parameters()}
    kept = {"W_enc": weights["W_enc"].T, **{name: weights[name] for name in SHARED if name in weights}}
    if AUTOENCODERS.get(architecture) == "jumprelu" or TRANSCODERS.get(architecture) == "jumprelu":
        kept["threshold"] = weights["threshold"]
    if Path(folder).exists():
        raise NanoscopeError(f"there is something in {folder} already; choose another folder or remove it")
    with files.new_directory(Path(folder)) as temporary:
        data = {name: value.contiguous() for name, value in kept.items()}
        (temporary / WEIGHTS).write_bytes(safetensors.torch.save(data))
        (temporary / CONFIG).write_text(json.dumps(config, indent=1) + "\n")


def load(folder: str | Path) -> Dictionary:
    """A dictionary that SAELens wrote. NanoscopeError for kinds, normalisations and places that are not ours."""
    path = Path(folder)
    try:
        config = json.loads((path / CONFIG).read_text())
        weights = safetensors.torch.load_file(path / WEIGHTS)
        return _read(config, {name: value.float() for name, value in weights.items()})
    except NanoscopeError as error:
        raise NanoscopeError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NanoscopeError(f"{path} is no dictionary in SAELens's layout ({reason})") from None


def _architecture(shape: Shape, transcoder: bool) -> str:
    kind: Kind = "jumprelu" if shape.kind == "batchtopk" else shape.kind
    names = TRANSCODERS if transcoder else AUTOENCODERS
    fitting = [name for name, of in names.items() if of == kind and ("skip" in name) == shape.skip]
    if not fitting:
        what = (
            f"{kind} {'transcoder' if transcoder else 'autoencoder'}{' with a skip connection' if shape.skip else ''}"
        )
        raise NanoscopeError(f"SAELens has no {what}; train a batchtopk or jumprelu transcoder, or one without a skip")
    return fitting[0]


def _hook(site: Site) -> str:
    return f"blocks.{site.layer}.{HOOKS[site.name]}"


def _metadata(dictionary: Dictionary) -> dict[str, Any]:
    """Where the dictionary belongs, in TransformerLens's names, and its identity under `nanoscope`."""
    source = dictionary.source
    out = _hook(source.site)
    hooks = (
        {"hook_name": f"blocks.{source.layer}.{MLP_INPUT}", "hook_name_out": out}
        if source.transcoder
        else {"hook_name": out}
    )
    head = {} if source.site.head is None else {"hook_head_index": source.site.head}
    return {**hooks, **head, "nanoscope": {**dictionary.identity, "source": str(source)}}


def _read(config: dict[str, Any], weights: dict[str, Tensor]) -> Dictionary:
    architecture = config["architecture"]
    kind = (AUTOENCODERS | TRANSCODERS).get(architecture)
    if kind is None:
        raise NanoscopeError(f"dictionaries of the architecture {architecture!r} are not read")
    if config.get("normalize_activations", "none") != "none":
        raise NanoscopeError("its activations are normalised; fold that into its weights first, with SAELens")
    if config.get("rescale_acts_by_decoder_norm", False):
        raise NanoscopeError(
            "its latents are scaled by the decoder's norms; fold them into its weights first, with SAELens"
        )
    source = _source(config, architecture in TRANSCODERS)
    latents, d_out = weights["W_dec"].shape
    identity = config.get("metadata", {}).get("nanoscope", {})
    aim = int(config.get("k", identity.get("recipe", {}).get("k", latents)))
    shape = Shape(kind, len(weights["W_enc"]), d_out, latents, aim, "W_skip" in weights)
    coder = Coder(shape)
    stored = {**weights, "W_enc": weights["W_enc"].T}
    stored.setdefault("threshold", torch.zeros(latents))
    if architecture in AUTOENCODERS and config.get("apply_b_dec_to_input", True):
        stored["b_enc"] = stored["b_enc"] - stored["W_enc"] @ stored["b_dec"]
    coder.load_state_dict(stored)
    return Dictionary(_of_length_1(coder).eval().requires_grad_(False), source, identity)


def _source(config: dict[str, Any], transcoder: bool) -> Source:
    """Where a dictionary belongs, by its hook's name."""
    metadata = {**config, **config.get("metadata", {})}
    name = metadata["hook_name_out"] if transcoder and metadata.get("hook_name_out") else metadata["hook_name"]
    _, layer, *hook = name.split(".")
    by_hook = {hook: site for site, hook in HOOKS.items() if site in SITES}
    site = by_hook.get(".".join(hook))
    if site is None or (transcoder and site != "mlp_out"):
        raise NanoscopeError(f"it belongs to {name}, which is no activation that dictionaries are read at here")
    return Source(Site(site, int(layer), head=metadata.get("hook_head_index") if site == "z" else None), transcoder)


def _of_length_1(coder: Coder) -> Coder:
    """The same coder with decoder rows of length 1, where that changes no choice of latents: not for topk."""
    norms = coder.W_dec.detach().norm(dim=1)
    if coder.shape.kind == "topk" or torch.allclose(norms, torch.ones(len(norms)), atol=1e-5):
        return coder
    scale = norms.clamp(min=1e-12)
    with torch.no_grad():
        coder.W_dec.div_(scale[:, None])
        coder.W_enc.mul_(scale[:, None])
        coder.b_enc.mul_(scale)
        coder.threshold.mul_(scale)
    return coder
