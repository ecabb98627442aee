"""Why a head looks there: the pairs sum to the run's own score, the planted reason is found, a sentence never overstates."""

import csv
import io

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model

from nanoscope.analysis.circuits.score_parts import score_parts
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views.why import as_csv, as_json, main_pair, reason, rows, why

SYMBOLS = Vocabulary(tuple("abcdefghijklm"))
TEXT = "abcdefghijkabcm"
INDUCTION = "xabcdxabc"
"""After the start symbol: c stands at 4 and at 9, d at 5."""


def checkpoint(name: str = "gpt2") -> Checkpoint:
    """A random model of a kind, with biases that matter where it has any."""
    model = random_model(**VARIANTS[name])
    for label, parameter in model.named_parameters():
        if label.endswith("bias"):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return Checkpoint(model, SYMBOLS)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bare"])
@pytest.mark.parametrize(("query", "key"), [(None, None), (9, 4), (9, 9)])
def test_all_pairs_sum_to_how_far_the_runs_score_lies_above_its_mean(
    name: str, query: int | None, key: int | None
) -> None:
    of = checkpoint(name)
    found, cache = why(of, TEXT, "L2H1", query, key), run(of, TEXT, keep=["scores", "pattern"]).cache
    at = len(TEXT) - 1 if query is None else query
    scores, pattern = (cache[kept, 2][0, 1, at, : at + 1].numpy() for kept in ("scores", "pattern"))
    looked = pattern.argmax() if key is None else key
    assert (found.parts.query, found.parts.key) == (at, looked)
    table = list(rows(found))
    limit = 1e-5 * np.abs(found.parts.parts).max()
    assert abs(sum(row["part"] for row in table) - scores[looked]) < limit
    assert abs(sum(row["mean_part"] for row in table) - scores.mean()) < limit
    assert abs(sum(row["above_mean"] for row in table) - (scores[looked] - scores.mean())) < limit
    near = abs(scores[looked] - scores.mean()) < 0.1
    assert near or sum(row["share"] for row in table) == pytest.approx(1)
    assert {row["share"] is None for row in table} == {near}
    np.testing.assert_allclose(found.attention, pattern, atol=1e-6)
    np.testing.assert_allclose(found.scores, scores - scores.mean(), atol=limit)
    assert found.attended == tuple(sorted(range(at + 1), key=lambda k: -pattern[k]))


def test_the_planted_induction_head_looks_there_because_of_the_previous_token_head(small_planted: Checkpoint) -> None:
    found = why(small_planted, INDUCTION, "l1h0")
    assert (found.parts.query, found.parts.key) == (9, 5)
    assert found.symbols == ("<start>", *INDUCTION)
    assert main_pair(found)[:2] == found.above.largest(1)[0][:2] == ("embed", "L0H0")
    assert main_pair(found)[2] == pytest.approx(found.above.of("embed", "L0H0"))
    said = f"{main_pair(found)[2]:+.2f} of the {found.total:+.2f} nats from the mean key"
    assert reason(found) == (
        f"L1H0 at 9 'c' looks at 5 'd' (100 %), mostly because of the embedding at the query with L0H0 at the key: {said}"
    )
    away = why(small_planted, INDUCTION, "L1H0", key=3)
    assert reason(away).startswith("L1H0 at 9 'c' looks away from 3 'b' (0 %), ")
    assert main_pair(away)[2] < 0


def test_a_pair_is_the_main_reason_only_if_half_of_all_that_pushes_is_its_own() -> None:
    told = set()
    for at in np.ndindex(3, 2):
        found = why(checkpoint(), TEXT, "L{}H{}".format(*at))
        pushing = sum(row["above_mean"] for row in rows(found) if row["above_mean"] > 0)
        mostly = main_pair(found)[2] >= pushing / 2
        assert main_pair(found)[2] == max(row["above_mean"] for row in rows(found))
        assert ("mostly because of" in reason(found), "for many reasons" in reason(found)) == (mostly, not mostly)
        told.add(mostly)
    assert told == {True, False}


def test_a_head_without_queries_has_no_reason_and_no_shares() -> None:
    of = checkpoint("nanogpt")
    of.model.blocks[1].attn.c_attn.weight[:16].zero_()
    found = why(of, TEXT, "L1H0")
    assert found.parts.key == 0, "the first of equals"
    np.testing.assert_allclose(found.attention, 1 / len(TEXT), atol=1e-6)
    assert reason(found).endswith(
        "looks at 0 'a' (7 %), for no reason of its own: the score is near the mean of all keys"
    )
    assert {row["share"] for row in rows(found)} == {None}


def test_files_hold_every_key_and_pair() -> None:
    of = checkpoint()
    found, kept = why(of, TEXT, "L1H1", 11, 3), as_json(why(of, TEXT, "L1H1", 11, 3))
    expected = score_parts(of.model, of.encode(TEXT), 1, 1, 11, 3)
    read = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [{**row, **{k: str(v) for k, v in row.items()}} for row in kept["pairs"]] == read
    for row in kept["pairs"]:
        pair = row["query_write"], row["key_write"]
        assert row["part"] == pytest.approx(expected.of(*pair))
        assert row["above_mean"] == pytest.approx(expected.relative.of(*pair))
        assert row["share"] == pytest.approx(expected.relative.of(*pair) / expected.relative.score)
    assert len(kept["pairs"]) == len(expected.names) ** 2
    assert [(row["key"], row["symbol"]) for row in kept["keys"]] == list(enumerate(TEXT[:12]))
    assert [row["attention"] for row in kept["keys"]] == found.attention.tolist()
    assert (kept["head"], kept["query"], kept["key"], kept["reason"]) == ("L1H1", 11, 3, reason(found))
    assert (kept["score"], kept["above_mean"]) == (
        pytest.approx(expected.score),
        pytest.approx(expected.relative.score),
    )


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("abc", "L3H0"), "there is no head L3H0; the model has L0H0 to L2H1"),
        (("abc", "L0H2"), "there is no head L0H2"),
        (("abc", "L1.attn"), "'L1.attn' names no head; write one as L4H2"),
        (("abc", "first"), "'first' names no head"),
        (("abc", "L0H0", 3), "there is no position 3 in a text of 3 tokens; positions are 0 to 2"),
        (("abc", "L0H0", -1), "there is no position -1"),
        (("abc", "L0H0", 0), "the query at position 0 sees only itself"),
        (("abc", "L0H0", 1, 2), "query 1 cannot see key 2"),
        (("abc", "L0H0", 1, -1), "query 1 cannot see key -1"),
        (("a", "L0H0"), "at least two tokens"),
        (("", "L0H0"), "at least two tokens"),
        (("ab" * 13, "L0H0"), "the text has 26 tokens, and the model reads 24"),
    ],
)
def test_what_cannot_be_asked_is_told(asked: tuple, says: str) -> None:
    with pytest.raises(NanoscopeError, match=says):
        why(checkpoint("nanogpt"), *asked)


def test_models_without_a_sum_of_writes_are_refused() -> None:
    with pytest.raises(NanoscopeError, match="norms come after additions"):
        why(checkpoint("post_norm"), TEXT, "L0H0")


def test_a_start_symbol_takes_a_place_in_the_context(small_planted: Checkpoint) -> None:
    assert len(why(small_planted, "ab" * 16, "L0H0").symbols) == 33
    with pytest.raises(NanoscopeError, match="the text has 33 tokens, and the model reads 32"):
        why(small_planted, "ab" * 16 + "a", "L0H0")
