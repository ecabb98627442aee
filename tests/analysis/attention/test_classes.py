"""The head taxonomy: keys by hand, slow twins, planted heads by weights and by pattern, nulls that are null."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.attention import character_tables, classes, composition
from nanoscope.analysis.attention.profile import profile
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads import control
from nanoscope.experiments.heads.label import ALL_CLASSES, labels, named
from nanoscope.interventions.run import run
from nanoscope.model.folded import fold, head_weights
from nanoscope.planted.single_head import PLANTABLE, planted_head
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import spread_starts, windows_at

PLAY = "\n\nBOY:\nSo, it is so.\n\n"
TEXT = ("A MAN:\nThe cat sat, on the mat.\nWhat cat? That one.\n\nTWO:\nWhy: no hat\nat all!\n\n") * 40
VOCABULARY = Vocabulary.of(TEXT)
READ = tokenized(TEXT, VOCABULARY)
SIZE = 40


def _text(windows: int = 24) -> tuple[torch.Tensor, classes.Targets]:
    starts = spread_starts(len(TEXT), SIZE, windows)
    laid = windows_at(READ.tokens, starts, SIZE)
    return laid.tokens, classes.token_targets(READ, laid)


def _mean_scores(found: classes.ClassAttention) -> Sweep:
    means = classes.mean_of_present(classes.scores(found).values)
    return Sweep(means, ("cls", "layer", "head"), "share", {"cls": classes.CLASSES})


# ---- which keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "query", "keys"),
    [
        ("same character", "o", [9]),  # the last "o" of "so.": "o" of "So"
        ("newline", "t", [0, 1, 6]),
        ("space", "t", [11]),
        ("punctuation", "t", [5, 10]),
        ("colon", "t", [5]),
        ("last space", "t", [11]),
        ("word start", "t", [12]),
        ("speaker name", "t", [2, 3, 4]),
    ],
)
def test_keys_of_a_short_play(cls: str, query: str, keys: list[int]) -> None:
    text = PLAY[2:]  # "BOY:\n..." is a speaker's name at the very start, too
    read = tokenized("\n\n" + text, Vocabulary.of(PLAY))
    targets = classes.token_targets(read, windows_at(read.tokens, torch.tensor([0]), len(PLAY)))
    at = PLAY.rindex(query)
    where = targets.keys[classes.TOKENS.index(cls), 0, at]
    expected = [PLAY.index("o")] if cls == "same character" else [k - 1 if k > 8 else k for k in keys]
    shown = where.nonzero().flatten().tolist()
    if cls == "same character":
        assert shown == expected
    else:
        assert {PLAY[k] for k in shown} == {PLAY[k] for k in _by_hand(cls, at)}
        assert shown == _by_hand(cls, at)


def _by_hand(cls: str, query: int) -> list[int]:
    """The definition of each class, read off the text with plain string methods."""
    before = range(query)
    word = max(k for k in before if PLAY[k] in " \n") + 1
    return {
        "newline": [k for k in before if PLAY[k] == "\n"],
        "space": [k for k in before if PLAY[k] == " "],
        "punctuation": [k for k in before if PLAY[k] in ".,:"],
        "colon": [k for k in before if PLAY[k] == ":"],
        "last space": [word - 1],
        "word start": [word] if word != query else [],
        "speaker name": [2, 3, 4],
    }[cls]


def test_no_key_is_the_query_or_later_and_a_start_symbol_is_none() -> None:
    tokens, targets = _text()
    assert not targets.keys.triu().any()
    assert targets.keys.shape[1:] == (len(tokens), SIZE, SIZE)
    started = classes.token_targets(READ, windows_at(READ.tokens, torch.tensor([0, 5]), SIZE, len(VOCABULARY)))
    assert started.keys.shape[-1] == SIZE + 1
    assert not started.keys[..., 0].any()


# ---- scores ----------------------------------------------------------------------------------------------------------


def test_scores_by_loops() -> None:
    """A slow twin over queries and keys, of one class of each kind."""
    torch.manual_seed(0)
    _, targets = _text(6)
    patterns = torch.rand(6, 2, SIZE, SIZE).tril()
    patterns /= patterns.sum(-1, keepdim=True)
    found = classes.judged(patterns, targets)
    keys, cls = targets.keys[2], 2
    share = [patterns[3, 1, q, q - 2].item() for q in range(2, SIZE)]
    base = np.mean([1 / (q + 1) for q in range(2, SIZE)])
    two_back = classes.PLACES.index("2 back")
    assert found.positions[two_back, 0, 1, 3] == pytest.approx((np.mean(share) - base) / (1 - base), rel=1e-5)
    for text in (3, 5):
        asked = [q for q in range(SIZE) if keys[text, q].any()]
        there = np.mean([patterns[3, 1, q][keys[text, q]].sum().item() for q in asked])
        chance = np.mean([keys[text, q].sum().item() / (q + 1) for q in asked])
        assert found.cross[cls, 0, 1, 3, text] == pytest.approx((there - chance) / (1 - chance), rel=1e-4)


def test_uniform_attention_scores_nothing_and_full_attention_everything() -> None:
    _, targets = _text()
    uniform = torch.ones(24, 1, SIZE, SIZE).tril()
    uniform /= uniform.sum(-1, keepdim=True)
    found = classes.judged(uniform, targets)
    assert np.nanmax(np.abs(classes.scores(found).values)) < 1e-5
    for cls in classes.CLASSES:
        full = classes.judged(control._ideal(cls, targets)[:, None], targets)
        assert _mean_scores(full).sel(cls=cls).values[0, 0] == pytest.approx(1, abs=1e-5)


def test_a_distance_is_not_taken_for_reading() -> None:
    """A head that looks two back hits spaces and word starts as often as chance: the text has no part in it."""
    _, targets = _text(40)
    found = classes.judged(control._ideal("2 back", targets)[:, None], targets)
    means = _mean_scores(found)
    assert means.sel(cls="2 back").values[0, 0] == pytest.approx(1)
    assert max(abs(means.sel(cls=cls).values[0, 0]) for cls in classes.TOKENS) < 0.15
    assert named(labels(means, classes.p_values(found, 300, "test"))[0, 0]) == "2 back"


def test_random_patterns_are_rarely_significant() -> None:
    """The family-wise error of both nulls, over many draws of heads that do nothing: at most the stated 5 %, give or take."""
    _, targets = _text(16)
    generator = torch.Generator().manual_seed(3)
    wrong = 0
    for draw in range(60):
        noise = torch.empty(16, 4, SIZE, SIZE).exponential_(generator=generator).tril()
        p = classes.p_values(classes.judged(noise / noise.sum(-1, keepdim=True), targets), 99, draw)
        wrong += bool((p.values <= 0.05).any())
    assert wrong <= 8  # 3 expected; 9 or more of 60 has probability below 0.4 % at 5 %


# ---- planted heads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", PLANTABLE)
def test_a_head_planted_by_weights_is_named(cls: str) -> None:
    tokens, targets = _text()
    model = planted_head(cls, VOCABULARY.symbols, SIZE)
    found = classes.attention(model, tokens, targets)
    means = _mean_scores(found)
    if cls == "space":  # each attends to all spaces, of which the last is one
        assert means.sel(cls=cls).values[0, 0] > 0.9
    assert named(labels(means, classes.p_values(found, 300, cls))[0, 0]) == cls


def test_sharpness_decides_the_share() -> None:
    """With e^s against the other keys in sight: the closed form of the share of attention."""
    tokens, _ = _text(2)
    sharpness = 2.0
    patterns = run(planted_head("previous token", VOCABULARY.symbols, SIZE, sharpness), tokens, keep=["pattern"]).cache
    share = patterns["pattern", 0][0, 0].diagonal(-1)
    queries = torch.arange(1, SIZE)
    expected = np.e**sharpness / (np.e**sharpness + queries)
    assert torch.allclose(share, expected.float(), atol=1e-5)


def test_what_cannot_be_planted_says_so() -> None:
    with pytest.raises(NanoscopeError, match="no head of class 'induction'"):
        planted_head("induction", VOCABULARY.symbols, 10)


# ---- properties, tables, composition ---------------------------------------------------------------------------------


def test_properties_of_planted_heads() -> None:
    tokens, _ = _text()
    back, same = (profile(planted_head(cls, VOCABULARY.symbols, SIZE), tokens) for cls in ("3 back", "same character"))
    assert back.by_offset.values[0, 0, 3] == pytest.approx(1, abs=1e-4)
    assert back.positional.values[0, 0] == pytest.approx(1, abs=1e-5)
    assert same.positional.values[0, 0] < 0.6
    assert back.breadth.values[0, 0] < 0.1
    newline = profile(planted_head("newline", VOCABULARY.symbols, SIZE), tokens).by_character.values[0, 0]
    assert newline.argmax() == VOCABULARY.ids["\n"]
    assert newline.sum() == pytest.approx(0, abs=1e-5)


def test_qk_table_of_a_planted_head() -> None:
    """Between folded weights there is a norm, so a planted bilinear head is put into a model with one."""
    tokens = random_tokens(model := fold(random_model(n_layer=2)), batch=8)
    found = character_tables.tables(model, tokens)
    layer, head, a, b = 0, 1, 3, 5
    stream = run(model, tokens, keep=[("resid_pre", 0)]).cache["resid_pre", 0]
    normed = torch.nn.functional.layer_norm(stream, stream.shape[-1:])
    w = head_weights(model)
    flat, ids = normed.flatten(0, 1), tokens.flatten()
    read = {s: flat[ids == s].mean(0) - flat.mean(0) for s in (a, b)}
    score = (read[a] @ w.W_Q[layer, head]) @ (read[b] @ w.W_K[layer, head]) / np.sqrt(model.config.d_head)
    assert found.qk.values[layer, head, a, b] == pytest.approx(float(score), rel=1e-4)
    writes = read[a] @ w.W_V[layer, head] @ w.W_O[layer, head] @ w.W_U
    row = found.ov.values[layer, head, a]
    scale = np.polyfit(writes.numpy(), row, 1)[0]
    assert scale > 0
    assert np.allclose(row, scale * (writes - writes.mean()).numpy(), atol=1e-4)
    assert character_tables.strongest(row[None], np.array([0]), np.arange(len(row)), 1)[0][1] == row.argmax()


def test_tables_of_the_most_frequent_symbols_are_parts_of_the_whole_tables() -> None:
    tokens = random_tokens(model := fold(random_model(n_layer=2)), batch=8)
    tokens[:, ::2] = torch.tensor([2, 7, 7, 11, 11, 11])
    whole, part = (character_tables.tables(model, tokens, most) for most in (13, 3))
    assert whole.symbols.tolist() == list(range(13))
    assert part.symbols.tolist() == [2, 7, 11]
    rows = np.ix_(*map(range, part.ov.values.shape[:2]), part.symbols, part.symbols)
    assert np.allclose(part.ov.values, whole.ov.values[rows], atol=1e-5)
    assert np.allclose(part.qk.values, whole.qk.values[rows], atol=1e-5)
    assert part.count.values.tolist() == whole.count.values[part.symbols].tolist()


def test_composition_by_full_matrices() -> None:
    w = head_weights(fold(random_model(n_layer=3)))
    found = composition.composition(w)
    assert found.labels("way") == ("Q", "K", "V")
    for l1, h1, l2, h2 in ((0, 0, 1, 1), (0, 1, 2, 0), (2, 0, 1, 1)):
        ov1, ov2 = (w.W_V[at] @ w.W_O[at] for at in ((l1, h1), (l2, h2)))
        qk = w.W_Q[l2, h2] @ w.W_K[l2, h2].T
        for way, other in (("Q", qk), ("K", qk.T), ("V", ov2)):
            expected = torch.linalg.norm(ov1 @ other) / torch.linalg.norm(ov1) / torch.linalg.norm(other)
            assert found.sel(way=way).values[l1, h1, l2, h2] == pytest.approx(float(expected), rel=1e-4)


def test_random_heads_compose_as_one_over_the_root_of_the_width() -> None:
    model = fold(random_model(n_layer=4, n_head=4, n_embd=64, scale=1.0))
    values = composition.composition(head_weights(model)).values
    layers = np.arange(4)
    other = np.broadcast_to((layers[:, None] != layers[None, :])[:, None, :, None], values.shape[1:])
    assert np.sqrt((values[:, other] ** 2).mean()) == pytest.approx(1 / np.sqrt(64), rel=0.05)


def test_labels_take_the_largest_that_is_sure() -> None:
    scores = np.zeros((len(ALL_CLASSES), 1, 4))
    p = np.ones_like(scores)
    scores[:3, 0] = [[0.9, 0.5, 0.29, 0.4], [0.4, 0.7, 0.1, 0.1], [0.0, 0.0, 0.0, 0.35]]
    p[:3, 0] = [[0.2, 0.01, 0.01, 0.01], [0.01, 0.01, 0.01, 0.01], [1, 1, 1, 0.01]]
    dims = ("cls", "layer", "head")
    assert labels(Sweep(scores, dims, ""), Sweep(p, dims, "")).tolist() == [[1, 1, -1, 0]]
