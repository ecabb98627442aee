"""What a first look leaves behind: one folder with its answers and all numbers, as JSON and as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.sweep import Sweep
from nanoscope.model.names import variations
from nanoscope.statistics.intervals import mean_interval
from nanoscope.views.look import Look, Unmeasured
from nanoscope.views.look_answers import LookAnswer, mean_over_windows

Row = Mapping[str, Any]
GENERAL = ("final", "ckpt.pt", "ckpt")
"""File and folder names that say nothing of the model; its folder's name is taken instead."""


def folder_name(checkpoint: Checkpoint, path: Path) -> str:
    """A name for the folder of a checkpoint's look: its own, and the beginning of its checksum."""
    path = path.resolve()
    name = path.parent.name if path.name in GENERAL else path.name
    return f"{name or 'model'}-{checkpoint.sha256[:8]}"


def text_name(text: str) -> str:
    """A name for the files of a text, so that two texts do not overwrite each other's."""
    return f"text-{files.sha256(text.encode())[:8]}"


def facts(look: Look) -> dict[str, Any]:
    """What the model is."""
    config, training = look.checkpoint.model.config, look.checkpoint.training
    return {
        "layers": config.n_layer,
        "heads": config.n_head,
        "width": config.n_embd,
        "context": config.block_size,
        "symbols": config.vocab_size,
        "variations": variations(config),
        "parameters": look.checkpoint.model.parameter_count,
        "steps": training.get("step"),
        "trained_on": look.checkpoint.corpus,
        "sha256": look.checkpoint.sha256,
        "measured_on": look.corpus,
        "windows": look.windows,
        "window_size": look.size,
    }


def tables(look: Look) -> dict[str, list[Row]]:
    """All numbers, one table for each question; means over windows with their 95 % intervals, in nats per token or shares."""
    found = {
        "loss": _rows(look.loss, "predictor"),
        "ablation": _rows(look.ablation, "set"),
        "lens": [
            {**kl, "loss": loss["mean"], "first_choice_is_final": final["mean"]}
            for kl, loss, final in zip(
                *(_rows(one, "reading") for one in (look.lens.kl, look.lens.loss, look.lens.final)), strict=True
            )
        ],
    }
    if not isinstance(look.context, Unmeasured):
        counts = look.context.places
        found["context"] = [
            {**row, "places": count} for row, count in zip(_rows(look.context.cost, "context"), counts, strict=True)
        ]
    if not isinstance(look.heads, Unmeasured):
        found["heads"] = _heads(look)
    if not isinstance(look.copying, Unmeasured):
        found["copying"] = [_copied(match, worth) for match, worth in look.copying.worth.items()]
    return found


def text_table(look: Look) -> list[Row]:
    """The user's own text, one row for each token; empty if there is none."""
    read = look.text
    if read is None or isinstance(read, Unmeasured):
        return []
    rows = zip(read.pieces[1:], read.loss, read.guess, read.chance, read.decided, strict=True)
    first: list[Row] = [{"token": read.pieces[0], "loss": "", "guess": "", "probability": "", "layers": ""}]
    return first + [
        {"token": t, "loss": float(x), "guess": g, "probability": float(p), "layers": int(d)} for t, x, g, p, d in rows
    ]


def store(look: Look, answers: Sequence[LookAnswer], folder: Path, text: str | None = None) -> list[Path]:
    """Write look.json and one CSV file for each table; returns their paths. Each file is written whole or not at all."""
    found = tables(look)
    content = {
        "model": facts(look),
        "answers": [{"question": one.question, "verdict": one.verdict, "answer": one.text} for one in answers],
        "tables": found,
    }
    files.write_json(folder / "look.json", content)
    own = {text_name(text): text_table(look)} if text is not None else {}
    for name, rows in (found | own).items():
        if rows:
            files.write_bytes(folder / f"{name}.csv", _csv(rows))
    return [folder / "look.json", *(folder / f"{name}.csv" for name, rows in (found | own).items() if rows)]


def _rows(sweep: Sweep, dim: str) -> list[Row]:
    rows = []
    for label, values in zip(sweep.labels(dim), sweep.values, strict=True):
        low, high = mean_interval(values, dim, label)
        rows.append({dim: label, "mean": float(values.mean()), "low": low, "high": high, "windows": len(values)})
    return rows


def _heads(look: Look) -> list[Row]:
    assert not isinstance(look.heads, Unmeasured)
    heads = look.heads
    return [
        {
            "head": f"L{layer}H{head}",
            "class": heads.named(layer, head),
            "attention_above_chance": heads.score(layer, head),
            "cost_alone": look.cost(f"L{layer}H{head}"),
        }
        for layer in range(heads.label.shape[0])
        for head in range(heads.label.shape[1])
    ]


def _copied(match: int, worth: Sweep) -> Row:
    value, low, high = mean_over_windows(worth.values, worth.labels("place"), "copying")
    windows = len(set(worth.labels("place")))
    return {"match": match, "mean": value, "low": low, "high": high, "places": len(worth.values), "windows": windows}


def _csv(rows: Sequence[Row]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
