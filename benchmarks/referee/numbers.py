"""The numbers that are compared: each as the study says it and as it comes out here.

What the study states as a claim is taken with its interval from findings.json. What its page prints without one, such as the
lens after each layer, is taken from the stored measurement, with the interval of the mean over the windows stored there.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from referee import interventions, ngrams, on_copies, on_weights, regression
from referee.estimate import Estimate, Published, agrees, around, mean, ratio
from referee.gpt import GPT, Refused
from referee.on_text import SHORTEST, Seen, Windows, look, settled_depth, token_class, windows
from referee.published import Study

CLASSES = {"newline": "\n", "space": " ", "colon": ":"}
"""Kinds of tokens that are one character; a head of another kind is not recomputed."""
FORMED = 0.3
COPIES, EACH, ABLATED, EXAMPLES = 256, 6, 96, 96
"""Sequences whose second copy is read, sequences per prefix and block length, windows of the ablation, pairs of texts."""


@dataclass(frozen=True)
class Row:
    """A number: what the study says of it, if it says anything, and what came out here."""

    name: str
    published: Published | None
    recomputed: Estimate

    @property
    def verdict(self) -> str:
        return "not published" if self.published is None else "yes" if agrees(self.published, self.recomputed) else "NO"


@dataclass(frozen=True)
class Texts:
    """The text, the two splits as symbols, and the windows of the validation split."""

    train_text: str
    train: Tensor
    held: Windows
    reference: Windows


def read_texts(gpt: GPT, text: str, checksum: str) -> Texts:
    """The first nine tenths are for training, the rest for validation, as in nanoGPT."""
    if hashlib.sha256(text.encode()).hexdigest() != checksum:
        raise Refused("the study was made on another text: give that one, byte for byte, with --data")
    index = {symbol: number for number, symbol in enumerate(gpt.symbols)}
    cut = int(0.9 * len(text))
    train, validation = (torch.tensor([index[c] for c in part]) for part in (text[:cut], text[cut:]))
    return Texts(text[:cut], train, windows(validation, gpt.context), windows(train, gpt.context))


def from_weights(gpt: GPT, study: Study) -> Iterator[Row]:
    """Numbers that need no text."""
    subject = study.subject()
    yield Row("parameters", Published(subject["parameters"], "subject"), Estimate(gpt.parameters))
    stored = study.array("induction", "copying")
    if stored is not None:
        worst = Estimate(float((on_weights.copying(gpt) - stored).abs().max()))
        said = Published(0.0, study.source("induction"), digits=4)
        yield Row(f"OV copying scores of {stored.numel()} heads: largest difference", said, worst)


def from_losses(gpt: GPT, study: Study, texts: Texts, seen: Seen) -> Iterator[Row]:
    """The model's loss, and that of n-gram tables of its training text at the same places."""
    trained = study.subject()["training"].get("val_loss")
    said = None if trained is None else Published(trained, "subject", digits=4)
    yield Row("validation loss, the whole split", said, Estimate(float(seen.loss.double().mean())))
    whole = torch.cat([texts.held.tokens, texts.held.following[:, -1:]], 1)
    tables = ngrams.table_losses(texts.train, whole, len(gpt.symbols))[..., SHORTEST + 2 - ngrams.LONGEST :].mean(-1)
    best = int(tables.mean(1).argmin())
    yield Row("order of the best n-gram table", _fact(study, "lenses.beyond", "best"), Estimate(best + 1))
    yield Row("its loss", _stored(study, "table_loss", n=best + 1, kind="all"), mean(tables[best]))
    lead = tables[best] - seen.loss[:, SHORTEST:].mean(1)
    yield Row("the model's lead over it", study.finding("lenses.beyond"), mean(lead))


def from_lens(gpt: GPT, study: Study, seen: Seen) -> Iterator[Row]:
    """How a prediction forms, and who writes it."""
    middle, read = gpt.layers // 2, {"lens": "logit lens"}
    kl, entropy = seen.kl[:, middle, SHORTEST:].mean(1), seen.entropy[:, -1, SHORTEST:].mean(1)
    said = _stored(study, "reading", measure="kl", layer=middle, **read)
    yield Row(f"KL(model, logit lens) after L{middle - 1}", said, mean(kl))
    said = _stored(study, "reading", measure="entropy", layer=gpt.layers, **read)
    yield Row("entropy of the output", said, mean(entropy))
    said = _stored(study, "depth", criterion="near", kind="all", **read)
    depth = settled_depth(seen.kl)[:, SHORTEST:].double().mean(1)
    yield Row("layers until the logit lens has settled", said, mean(depth))
    share = ratio(seen.by_mlps[:, SHORTEST:].sum(1), seen.by_all[:, SHORTEST:].sum(1))
    yield Row("MLPs' share of the direct logit", study.finding("lenses.writers"), share)


def from_errors(study: Study, seen: Seen) -> Iterator[Row]:
    """Whether the model knows where it is wrong."""
    features, wrong = seen.features[:, SHORTEST:], seen.wrong[:, SHORTEST:]
    told = regression.told(features, wrong)
    yield Row("AUROC of its confidence for its errors", study.finding("failures.confidence"), told)
    sure, right = features[..., 0].exp().mean(1), 1 - wrong.double().mean(1)
    yield Row("how much surer it is than right", _overconfidence(study), mean(sure - right))


def from_heads(gpt: GPT, study: Study, texts: Texts, seen: Seen, read: tuple[int, int]) -> Iterator[Row]:
    """What heads attend to in text, and what those that look one back are worth."""
    scores = seen.previous.mean(0)
    layer, head = divmod(int(scores.argmax()), gpt.heads)
    yield Row("best previous-token head", _fact(study, "heads.previous", "head"), Estimate(f"L{layer}H{head}"))
    yield Row(
        "its attention there, above uniform", study.finding("heads.previous"), mean(seen.previous[:, layer, head])
    )
    cls = study.fact("heads.tokens", "cls")
    if cls in CLASSES:
        named = texts.held.tokens == gpt.symbols.index(CLASSES[cls])
        found = ratio(*token_class(seen.pattern, named))
        yield Row(f"L{read[0]}H{read[1]}'s attention to {cls}, above chance", study.finding("heads.tokens"), found)
    looking = [(int(a), int(b)) for a, b in (scores >= FORMED).nonzero()]
    cost = interventions.cost_without(gpt, looking, texts.held.some(ABLATED), texts.reference.some(ABLATED))
    said = _ablation(study)
    yield Row(f"loss added without {' '.join(f'L{a}H{b}' for a, b in looking)}", said, mean(cost))


def from_copies(gpt: GPT, study: Study, texts: Texts) -> Iterator[Row]:
    """Induction, on random characters that come twice."""
    dice, symbols = torch.Generator().manual_seed(1), on_copies.alphabet(texts.train, len(gpt.symbols))
    after_copy, after_other = on_copies.copied(gpt, symbols, COPIES, dice)
    stored = study.array("induction", "behaviour", measure="accuracy", run="clean")
    said = None if stored is None else around(mean(stored), study.source("induction"))
    yield Row("share of a second copy that is right", said, mean(after_copy))
    yield Row("of which a first copy's doing", study.finding("induction.accuracy"), mean(after_copy - after_other))
    candidate = _head(study.fact("induction.heads", "head"))
    if candidate is not None:
        lengths = [length for length in on_copies.LENGTHS if 2 * length + on_copies.PREFIX_ROOM <= gpt.context]
        scores = [on_copies.induction_scores(gpt, symbols, length, EACH, dice)[:, *candidate] for length in lengths]
        worst = min(map(mean, scores), key=lambda found: float(found.value))
        name = f"induction score of L{candidate[0]}H{candidate[1]}, worst length"
        yield Row(name, study.finding("induction.heads"), worst)


def from_edges(gpt: GPT, study: Study, texts: Texts) -> Iterator[Row]:
    """Edges from MLPs into the logits, where they are among the strongest of the task after-name."""
    if study.fact("circuits.faithful", "task") != "after-name":
        return
    examples = interventions.after_name(texts.train_text, EXAMPLES, random.Random(1))
    found = interventions.shares_of_mlps(gpt, examples)
    for edge, _ in study.fact("circuits.faithful", "strongest"):
        if edge in found:
            yield Row(f"{edge}'s share of after-name", _edge(study, edge), found[edge])


def _fact(study: Study, finding: str, key: str) -> Published | None:
    said = study.fact(finding, key)
    return None if said is None else Published(said, study.source(finding))


def _stored(study: Study, name: str, **where: str | int) -> Published | None:
    """The mean over places of what `lenses` stored as a sum over each window."""
    top, bottom = study.array("lenses", name, **where), study.array("lenses", "places", kind="all")
    return None if top is None or bottom is None else around(ratio(top, bottom), study.source("lenses"))


def _overconfidence(study: Study) -> Published | None:
    places, errors, sure = (study.array("failures", "states", measure=m) for m in ("places", "errors", "sure"))
    if places is None or errors is None or sure is None:
        return None
    places, errors, sure = (values.sum((0, 1)) for values in (places, errors, sure))
    return around(ratio(sure - (places - errors), places), study.source("failures"))


def _ablation(study: Study) -> Published | None:
    without = study.array("heads", "ablation", cls="previous token", set="heads of the class")
    intact = study.array("heads", "ablation_intact")
    return None if without is None or intact is None else around(mean(without - intact), study.source("heads"))


def _edge(study: Study, edge: str) -> Published | None:
    effects = study.array("circuits", "effects_by_example", task="after-name", edge=edge)
    corrupt, clean = (
        study.array("circuits", "metric", task="after-name", split="select", run=run) for run in ("corrupt", "clean")
    )
    if effects is None or corrupt is None or clean is None:
        return None
    return around(ratio(effects, corrupt - clean), study.source("circuits"))


def _head(name: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"L(\d+)H(\d+)", name or "")
    return found and (int(found[1]), int(found[2]))


def rows(gpt: GPT, study: Study, texts: Texts) -> Iterator[Row]:
    read = _head(study.fact("heads.tokens", "head")) or (0, 0)
    seen = look(gpt, texts.held, read)
    yield from from_weights(gpt, study)
    yield from from_losses(gpt, study, texts, seen)
    yield from from_lens(gpt, study, seen)
    yield from from_errors(study, seen)
    yield from from_heads(gpt, study, texts, seen, read)
    yield from from_copies(gpt, study, texts)
    yield from from_edges(gpt, study, texts)
