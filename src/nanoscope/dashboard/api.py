"""The addresses that the page calls. Each calls a view and writes its values as JSON or as bytes."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from nanoscope.analysis.prediction import logit_lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.asked import AskedText, Number, Opened
from nanoscope.dashboard.lenses import tuned_of
from nanoscope.interventions.generate import Sampling
from nanoscope.views import live, sample
from nanoscope.views.live import Predictions

router = APIRouter(prefix="/api")
Length = Annotated[int, Query(ge=1, le=1000)]
Temperature = Annotated[float, Query(ge=0, le=10)]
Seed = Annotated[int, Query(ge=0, le=2**31)]
Layer = Annotated[int | None, Query(ge=0, le=999)]


@router.get("/models")
def models(session: Opened) -> list[str]:
    """The names of the opened checkpoints; none is loaded for it."""
    return list(session.names)


@router.get("/model")
def model(session: Opened, model: Number = 0) -> dict[str, Any]:
    """One checkpoint's shape, which loads it if it was not."""
    return described(session.checkpoint(model), session.names[model], str(session.paths[model]))


def described(checkpoint: Checkpoint, name: str, path: str) -> dict[str, Any]:
    """A checkpoint's shape as the page reads it."""
    config = checkpoint.model.config
    return {
        "name": name,
        "path": path,
        "layers": config.n_layer,
        "heads": config.n_head,
        "width": config.n_embd,
        "context": config.block_size,
        "parameters": checkpoint.model.parameter_count,
        "mlp": not config.attention_only,
        "notes": list(checkpoint.notes),
    }


@router.get("/text")
def text(session: Opened, asked: AskedText) -> dict[str, Any]:
    """Every token's loss and what is expected after it; `before` is the same without the ablation, if there is one."""
    with session.busy:
        before = session.kept.lately((asked.number, asked.text), lambda: live.predictions(asked.checkpoint, asked.text))
        found = live.predictions(asked.checkpoint, asked.text, asked.edits) if asked.off else before
    return said(asked.note, found) | {"before": said(asked.note, before) if asked.off else None}


@router.get("/lens")
def lens(
    session: Opened, asked: AskedText, lens: Annotated[Literal["logit", "tuned"], Query()] = "logit"
) -> dict[str, Any]:
    """After the embedding and each layer, what would be expected after each token, by either lens."""
    by = None if lens == "logit" else tuned_of(session, asked.number)
    with session.busy:
        found = live.lens(asked.checkpoint, asked.text, asked.edits, by)
    return said_of_lens(asked.note, found)


@router.get("/attention")
def attention(
    session: Opened, asked: AskedText, weighted: bool = False, layer: Layer = None, head: Layer = None
) -> Response:
    """Patterns as bytes: of all heads `[layer, head, query, key]` in steps of 1/255; of one head as float16, `[query, key]`."""
    shape = asked.checkpoint.model.config
    if (layer is None) != (head is None) or (layer or 0) >= shape.n_layer or (head or 0) >= shape.n_head:
        return Response(
            '{"error":"give both layer and head, of a head that the model has"}', 422, None, "application/json"
        )
    with session.busy:
        found = live.patterns(asked.checkpoint, asked.text, asked.edits, weighted, layer)
    values = np.rint(found * 255).astype(np.uint8) if head is None else found[0, head].astype("<f2")
    headers = {"X-Shape": ",".join(map(str, values.shape)), "X-Scale": "1" if head is not None else str(1 / 255)}
    return Response(values.tobytes(), 200, headers, "application/octet-stream")


@router.get("/sample")
def written(
    session: Opened, asked: AskedText, length: Length = 200, temperature: Temperature = 0.8, seed: Seed = 0
) -> Response:
    """The text that follows, as it is written."""
    drawing = Sampling(temperature, None, seed)
    with session.busy:
        edits = asked.edits_of_a_growing_text
    pieces = sample.writing(asked.checkpoint, asked.text, length, drawing, edits)

    def one_at_a_time() -> Iterator[str]:
        while True:
            with session.busy:
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    return StreamingResponse(one_at_a_time(), media_type="text/plain; charset=utf-8")


def said_of_lens(note: str, found: Predictions) -> dict[str, Any]:
    """A lens as the page reads it: with the first reading from which on KL to the output stays small, at each place."""
    return said(note, found) | {"settled": logit_lens.settled(found.kl < logit_lens.NEAR).tolist()}


def said(note: str, found: Predictions) -> dict[str, Any]:
    """Predictions as the page reads them."""
    loss = [None if math.isnan(value) else value for value in found.loss.tolist()]
    known = [value for value in loss if value is not None]
    return {
        "note": note,
        "pieces": list(found.pieces),
        "loss": loss,
        "mean_loss": sum(known) / len(known) if known else None,
        "top": np.array(found.symbols, dtype=object)[found.tokens].tolist(),
        "chance": found.chance.tolist(),
        "kl": found.kl.tolist(),
    }
