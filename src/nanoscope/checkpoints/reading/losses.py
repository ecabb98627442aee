"""Which of several readings of a file is right: the one that predicts a text of its training best, if that is clear.

All combinations of the open questions are tried on a few tokens, or where they are many, one change at a time from the usual
reading; the better ones are tried on more. For each question the best
reading is compared with the best that answers it otherwise, paired over windows of the text; it counts as decided from
`CLEAR` nats and `SURE` standard errors on. Else the usual answer is taken, and that is said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.checkpoints.reading.assembly import assembled
from nanoscope.checkpoints.reading.parts import Parts
from nanoscope.checkpoints.reading.questions import Questions
from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.errors import NanoscopeError
from nanoscope.model.arithmetic import norm
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Norm
from nanoscope.progress import Progress, silent
from nanoscope.text.windows import cut, spread_starts

CLEAR = 0.01
"""Nats to the runner-up."""
SURE = 3.0
"""Standard errors of the paired difference."""
WINDOW = 64
FEWEST = 8
"""Windows that a text must have at least."""
FULL = 96
"""Up to so many readings all are tried; from more, the usual one is improved one answer at a time."""
FIRST_TOKENS, TOKENS, SURVIVORS = 512, 4096, 8
"""Tokens on which readings are compared first, and at last; how many go on, beside the best for each answer."""
NO_USUAL = ("n_head",)
"""Questions that have no usual answer."""

Choice = tuple[Any, ...]


@dataclass(frozen=True)
class Decision:
    """The answers, each with its runner-up, and notes on what stays undecided."""

    readings: dict[str, Reading]
    notes: tuple[str, ...]


def decide(
    parts: Parts,
    known: Mapping[str, Any],
    asked: Questions,
    tokens: Int[Tensor, "pos"],
    where: str,
    progress: Progress = silent,
) -> Decision:
    """Answer the questions by the loss on a text's tokens."""
    judge = _Judge(parts, known, asked, tokens, where, progress)
    possible = list(itertools.islice(filter(judge.makes_sense, itertools.product(*asked.values())), FULL + 1))
    if len(possible) <= FULL:
        finalists = _kept(judge.scores(possible, FIRST_TOKENS), SURVIVORS, len(asked))
    else:
        finalists = judge.nearby(judge.climbed(possible[0]))
    return _decided(asked, judge.scores(finalists, TOKENS), where)


@dataclass(frozen=True)
class _Judge:
    """The losses of readings of one file on one text."""

    parts: Parts
    known: Mapping[str, Any]
    asked: Questions
    tokens: Tensor
    where: str
    progress: Progress

    def named(self, one: Choice) -> dict[str, Any]:
        return dict(zip(self.asked, one, strict=True))

    def makes_sense(self, one: Choice) -> bool:
        return _makes_sense(self.named(one), self.known)

    def scores(self, choices: list[Choice], budget: int) -> dict[Choice, np.ndarray]:
        """The losses of the readings that can be computed, on about so many tokens."""
        text = sample(self.tokens, self.known["block_size"], budget)
        found = {}
        for done, one in enumerate(choices):
            self.progress(f"readings tried on {text.numel():,} tokens", done, len(choices))
            found[one] = _score(self.parts, self.known, self.named(one), text)
        computed = {one: losses for one, losses in found.items() if losses is not None}
        if not computed:
            raise NanoscopeError(f"{self.where}: none of its possible readings can be computed")
        return computed

    def nearby(self, one: Choice) -> list[Choice]:
        """A reading, and all that answer one question otherwise."""
        others = [
            (*one[:at], value, *one[at + 1 :])
            for at, values in enumerate(self.asked.values())
            for value in values
            if value != one[at]
        ]
        return [one, *filter(self.makes_sense, others)]

    def climbed(self, start: Choice) -> Choice:
        """From the usual reading to better ones, one answer at a time, or two where one alone is no better."""
        best, known = start, dict[Choice, float]()
        while True:
            for around in (self.nearby(best), [two for one in self.nearby(best) for two in self.nearby(one)]):
                new = [one for one in dict.fromkeys(around) if one not in known]
                known |= dict.fromkeys(new, math.inf)
                known |= {one: float(losses.mean()) for one, losses in self.scores([best, *new], FIRST_TOKENS).items()}
                better = min(known, key=lambda one: known[one])
                if better != best:
                    break
            else:
                return best
            best = better


def window_losses(
    model: GPT, windows: Int[Tensor, "window size"], embedding_norm: str = "none"
) -> Float[np.ndarray, "window"]:
    """The cross-entropy of each window's tokens, from the second on."""
    with torch.inference_mode():
        logits = _logits(model, windows[:, :-1], embedding_norm)
        loss = F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction="none")
    return loss.unflatten(0, (len(windows), -1)).double().mean(1).numpy()


def sample(tokens: Int[Tensor, "pos"], context: int, most: int, longest: int = WINDOW) -> Int[Tensor, "window size"]:
    """Windows of about `most` tokens in all, spread over a text; each has one token more than is read."""
    size = max(2, min(context, longest, len(tokens) // FEWEST - 1))
    if len(tokens) < FEWEST * (size + 1):
        raise NanoscopeError(
            f"the text has {len(tokens)} tokens, too few to decide anything; give a longer one with --data"
        )
    return cut(tokens, spread_starts(len(tokens), size + 1, max(FEWEST, most // size)), size + 1)


def _logits(model: GPT, tokens: Int[Tensor, "batch pos"], embedding_norm: str) -> Float[Tensor, "batch pos vocab"]:
    """The model's logits, the embeddings normalised first where a reading says so."""
    if embedding_norm == "none":
        return model(tokens)
    kind = replace(model.config, norm=embedding_norm, bias=False)  # pyright: ignore[reportArgumentType]
    x = norm(model.embed(tokens), Norm(kind))
    for layer, block in enumerate(model.blocks):
        x = model.block(x, layer, block, None)
    return model.unembed(x)


def _makes_sense(one: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Without rotary positions there are no pairs to choose, without norms no final one, and so on."""
    values = {**known, **one}
    return not (
        ("rotary_pairs" in one and one["rotary_pairs"] != "halves" and values["positions"] != "rotary")
        or ("norm_position" in one and one["norm_position"] == "post" and values["norm"] == "none")
        or ("final_norm" in one and one["final_norm"] and values["norm"] == "none")
    )


def _score(
    parts: Parts, known: Mapping[str, Any], one: Mapping[str, Any], text: Int[Tensor, "window size"]
) -> Float[np.ndarray, "window"] | None:
    """The losses of one reading; None for one that cannot be computed."""
    values = {**known, **one, "block_size": text.shape[1] - 1}
    try:
        config, weights = assembled(parts, values)
        model = GPT(config)
    except NanoscopeError:
        return None
    model.load_state_dict(weights)
    found = window_losses(model.float().eval(), text, values.get("embedding_norm", "none"))
    return found if np.isfinite(found).all() else None


def _kept(scores: Mapping[Choice, np.ndarray], most: int, questions: int) -> list[Choice]:
    """The best readings, and the best for each answer to each question."""
    ordered = sorted(scores, key=lambda one: float(scores[one].mean()))
    answers = {(at, one[at]): one for one in reversed(ordered) for at in range(questions)}
    return list(dict.fromkeys([*ordered[:most], *answers.values()]))


def _decided(asked: Questions, scores: Mapping[Choice, np.ndarray], where: str) -> Decision:
    best = min(scores, key=lambda one: float(scores[one].mean()))
    readings, notes = {}, []
    for at, (name, values) in enumerate(asked.items()):
        reading, clear = _answer(name, at, values[0], best, scores)
        if not clear and name in NO_USUAL:
            raise NanoscopeError(
                f"{where}: the text does not decide {name} ({reading.runner_up}); say it with --set {name}=N"
            )
        if not clear:
            notes.append(f"undecided on this text, so assumed: {name}={reading.value} ({reading.runner_up})")
        readings[name] = reading
    return Decision(readings, tuple(notes))


def _answer(name: str, at: int, usual: Any, best: Choice, scores: Mapping[Choice, np.ndarray]) -> tuple[Reading, bool]:
    """One question's answer, and whether the text decides it."""
    rivals = [one for one in scores if one[at] != best[at]]
    if not rivals:
        return Reading(name, best[at], "loss"), True
    second = min(rivals, key=lambda one: float(scores[one].mean()))
    worse = scores[second] - scores[best]
    clear = worse.mean() >= CLEAR and worse.mean() > SURE * worse.std(ddof=1) / math.sqrt(len(worse))
    runner_up = f"+{worse.mean():.3f} to {second[at]}"
    if clear:
        return Reading(name, best[at], "loss", runner_up), True
    return Reading(name, usual, "assumed", f"undecided: {best[at]} only +{worse.mean():.3f} to {second[at]}"), False
