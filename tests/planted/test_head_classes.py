"""The known answer of experiment 02: a model of which every head's class was written into its weights.

The rules of the classes stand here once more, read off the text with plain string methods and apart from the masks that
score heads (`taxonomy.token_targets`), so that the two check each other on real text.
"""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from nanoscope.analysis.attention import classes, composition
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads.label import labels, named
from nanoscope.experiments.heads.setting import Params, setting_of
from nanoscope.interventions.run import run
from nanoscope.model.folded import head_weights
from nanoscope.planted.head_classes import PLACED, planted_taxonomy
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import TokenizedText, tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import Windows, spread_starts, windows_at

SIZE, WINDOWS = 48, 24
FEW = Params(windows=WINDOWS, sequences=8, permutations=200, random_models=1, random_sets=1, planted_heads=1)
Rule = Callable[[str, int], set[int]]


def _is_letter(text: str, j: int) -> bool:
    inside = text[j] in "'’" and 0 < j < len(text) - 1 and text[j - 1].isalpha() and text[j + 1].isalpha()
    return text[j].isalpha() or inside


def _word_start(text: str, i: int) -> set[int]:
    j = i
    while j > 0 and _is_letter(text, j) and _is_letter(text, j - 1):
        j -= 1
    return {j} if j < i and text[i].isalpha() else set()


def _speaker(text: str, i: int) -> set[int]:
    names = [found for found in re.finditer(r"(?<=\n\n)[^\n:]+(?=:\n)", text) if found.start() <= i]
    return set(range(*names[-1].span())) if names and names[-1].end() <= i else set()


def _one_of(characters: str) -> Rule:
    return lambda text, i: {j for j in range(i) if text[j] in characters}


def _last_space(text: str, i: int) -> set[int]:
    j = max(text.rfind(" ", 0, i), text.rfind("\n", 0, i))
    return {j} if j >= 0 else set()


RULES: dict[str, Rule] = {
    "same character": lambda text, i: {j for j in range(i) if text[j] == text[i]},
    "newline": _one_of("\n"),
    "space": _one_of(" "),
    "punctuation": _one_of(".,;:!?'\"-()[]&$"),
    "colon": _one_of(":"),
    "last space": _last_space,
    "word start": _word_start,
    "speaker name": _speaker,
}


@pytest.fixture(scope="module")
def everyone(shakespeare: Corpus) -> Checkpoint:
    return planted_taxonomy(shakespeare.vocabulary)


@pytest.fixture(scope="module")
def windows(shakespeare: Corpus) -> tuple[np.ndarray, list[str]]:
    """Windows that begin with a speech, so that no name or word is cut off at their beginning."""
    begins = np.array([found.start() for found in re.finditer(r"\n\n", shakespeare.val)])
    starts = begins[spread_starts(len(begins) - 1, 1, 60).numpy()]
    return starts, [shakespeare.val[s : s + SIZE] for s in starts]


def _cut(corpus: Corpus, starts: np.ndarray) -> tuple[TokenizedText, Windows]:
    read = tokenized(corpus.val, corpus.vocabulary)
    return read, windows_at(read.tokens, torch.from_numpy(starts), SIZE)


@pytest.mark.parametrize("cls", classes.TOKENS)
def test_masks_equal_rules_on_real_text(cls: str, windows: tuple[np.ndarray, list[str]], shakespeare: Corpus) -> None:
    starts, texts = windows
    keys = classes.token_targets(*_cut(shakespeare, starts)).keys[classes.TOKENS.index(cls)].numpy()
    assert keys.any()
    for w, start in enumerate(starts):
        whole = shakespeare.val[start : start + 2 * SIZE]  # a name or a word may end beyond the window
        for i in range(SIZE):
            assert set(np.flatnonzero(keys[w, i])) == RULES[cls](whole, i), (texts[w], i)


@pytest.mark.parametrize(("at", "cls"), [(at, cls) for at, cls in PLACED.items() if cls in RULES])
def test_planted_heads_attend_as_their_rules_say(
    at: tuple[int, int], cls: str, windows: tuple[np.ndarray, list[str]], everyone: Checkpoint
) -> None:
    """All of the attention wherever there is a key."""
    _, texts = windows
    layer, head = at
    tokens = torch.stack([everyone.encode(text) for text in texts])
    pattern = run(everyone.model, tokens, keep=[("pattern", layer)]).cache["pattern", layer][:, head].numpy()
    shares = [
        pattern[w, i, list(found)].sum()
        for w, text in enumerate(texts)
        for i in range(SIZE)
        if (found := RULES[cls](text, i)) and not (cls == "last space" and text[i] in " \n")  # it rests on itself there
    ]
    assert len(shares) > 100
    assert np.mean(shares) > (0.98 if cls == "word start" else 0.999)  # "'tis": its apostrophe counts as a letter
    assert np.quantile(shares, 0.03) > 0.999


def test_the_experiment_names_every_planted_head(everyone: Checkpoint, shakespeare: Corpus) -> None:
    """Through real text, repeated sequences, both nulls and the labels: the whole way that a user's model goes."""
    setting = setting_of(Subject(everyone, shakespeare, "the planted taxonomy"), FEW)
    labelled = labels(setting.scores, setting.p)
    found = {at: named(int(labelled[at])) for at in PLACED}
    assert found == {at: cls or "unclassified" for at, cls in PLACED.items()}


def test_it_composes_where_it_was_wired(everyone: Checkpoint) -> None:
    """The induction head and the word-start head read the previous-token head by their keys; nothing else reads anything.
    Of V channels that are alike, one half of what is written is read: 1/sqrt(2 V)."""
    scores = composition.composition(head_weights(everyone.model))
    by_keys = scores.labels("way").index("K")
    assert {(by_keys, 0, 0, 1, 0), (by_keys, 0, 0, 1, 2)} == {tuple(map(int, at)) for at in np.argwhere(scores.values)}
    assert scores.values[by_keys, 0, 0, 1, 0] == pytest.approx(
        1 / np.sqrt(2 * everyone.model.config.vocab_size), rel=1e-5
    )


def test_what_cannot_be_planted_says_so() -> None:
    plain = Vocabulary.of("ab .\n")
    with pytest.raises(NanoscopeError, match="contexts of 8 to 96 characters"):
        planted_taxonomy(plain, context=128)
    with pytest.raises(NanoscopeError, match="newline, space and punctuation"):
        planted_taxonomy(Vocabulary.of("abc"))
