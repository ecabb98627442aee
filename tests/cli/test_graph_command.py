"""`nanoscope graph` and the features of `nanoscope dictionary show`: what is printed was measured, errors are one line."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.dictionaries.store import load as load_dictionary
from nanoscope.dictionaries.store import save as save_dictionary
from nanoscope.interventions.run import run
from nanoscope.text.corpora import open_corpus
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views.features import FeatureView
from nanoscope.views.graph import graph_of_text, transcoders

Call = Callable[..., tuple[int, str, str]]
LETTERS = "abcdefghijklm"
SMALL = ("--latents", 24, "--k", 3, "--tokens", 4000, "--threads", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a text with a concept (every second letter is a vowel), and a place for dictionaries."""
    where = tmp_path_factory.mktemp("graph")
    save(Checkpoint(random_model(n_layer=2), Vocabulary(tuple(LETTERS))), where / "model")
    drawn = torch.randint(13, (9000,), generator=torch.Generator().manual_seed(0)).tolist()
    (where / "text.txt").write_text("".join(LETTERS[letter] for letter in drawn))
    return where


@pytest.fixture(scope="module")
def trained(folder: Path, request: pytest.FixtureRequest) -> Path:
    from nanoscope import cli

    arguments = ("dictionary", "train", folder / "model", "--site", "mlp", "--data", folder / "text.txt")
    cli.main([str(one) for one in (*arguments, "--out", folder / "coders", *SMALL)])
    return folder / "coders"


def graph(call: Call, folder: Path, *options: object) -> tuple[int, str, str]:
    return call("graph", folder / "model", "--transcoders", folder / "coders", "--threads", 1, *options)


def show(call: Call, folder: Path, *options: object) -> tuple[int, str, str]:
    where = ("dictionary", "show", folder / "coders" / "mlp.1", folder / "model", "--data", folder / "text.txt")
    return call(*where, "--threads", 1, *options)


def test_one_command_trains_the_transcoder_of_every_mlp(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["mlp.0", "mlp.1"]
    assert str(load_dictionary(trained / "mlp.1").source) == "mlp.1"


def test_a_graph_is_printed_drawn_and_kept_as_the_library_makes_it(
    call: Call, folder: Path, trained: Path, tmp_path: Path
) -> None:
    out, numbers = tmp_path / "graph.png", tmp_path / "graph.json"
    code, printed, complaint = graph(call, folder, "--text", "abcde", "--out", out, "--json", numbers)
    assert (code, complaint) == (0, "")
    checkpoint = load(folder / "model")
    found = graph_of_text(checkpoint, transcoders(checkpoint, trained), "abcde")
    said = " ".join(printed.split())
    p = run(checkpoint, "abcde").logits[0, -1].softmax(-1)
    assert f"next: {LETTERS[int(p.argmax())]!r} {100 * float(p.max()):.0f} %" in said
    scores = found.summary.scores
    assert f"replacement score {scores.replacement:.2f}, completeness score {scores.completeness:.2f}" in said
    assert f"{100 * found.edges.same_sign:.0f} % of {found.edges.cases} have the predicted sign" in said
    assert "errors" in said
    assert re.search(r"L\dH\d at \d '\w' looks", said)
    assert out.stat().st_size > 10_000
    kept = json.loads(numbers.read_text())
    assert kept == json.loads(json.dumps(found.plain()))
    assert sum(kept["summary"]["groups"].values()) == pytest.approx(1)
    assert 0 < scores.replacement < 1


def test_what_has_no_graph_is_one_line(call: Call, folder: Path, trained: Path, tmp_path: Path) -> None:
    save(Checkpoint(random_model(seed=1, n_layer=2), Vocabulary(tuple(LETTERS))), tmp_path / "other")
    save(Checkpoint(random_model(attention_only=True), Vocabulary(tuple(LETTERS))), tmp_path / "heads")
    cases = (
        (("graph", folder / "model", "--text", "ab", "--transcoders", tmp_path), "there is no transcoder of MLP 0"),
        (("graph", tmp_path / "other", "--text", "ab", "--transcoders", trained), "trained on another checkpoint"),
        (("graph", tmp_path / "heads", "--text", "ab", "--transcoders", trained), "attention-only"),
        (("graph", folder / "model", "--text", "", "--transcoders", trained), "the text is empty"),
        (("graph", folder / "model", "--text", "a€", "--transcoders", trained), "is not among"),
        (("dictionary", "train", tmp_path / "heads", "--site", "mlp", "--data", folder / "text.txt"), "attention-only"),
    )
    for arguments, words in cases:
        code, _, complaint = call(*arguments, "--threads", 1)
        assert (code, words in complaint, complaint.count("\n")) == (2, True, 1), complaint


# ---- features of a dictionary ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(folder: Path, trained: Path) -> FeatureView:
    return FeatureView.of(
        load_dictionary(trained / "mlp.1"), load(folder / "model"), open_corpus(str(folder / "text.txt"))
    )


def test_a_card_shows_where_a_feature_is_active(call: Call, folder: Path, view: FeatureView) -> None:
    feature = int(view.whole.density.argmax())
    code, printed, complaint = show(call, folder, "--feature", feature)
    assert (code, complaint) == (0, "")
    card = view.card(feature)
    assert f"feature {feature}: active on {100 * card.density:.2f} % of the text, at most {card.largest:.3g}" in printed
    assert len(card.examples) == 20
    assert [one.tenth for one in card.examples] == [tenth for tenth in range(1, 11) for _ in (0, 1)]
    text = open_corpus(str(folder / "text.txt")).text
    assert all(one.before + one.here + one.after in text for one in card.examples)
    assert card.examples[0].value == pytest.approx(card.largest)
    assert re.search(rf"^ +1 +{card.largest:.2f} ", printed, re.M)


def test_a_dead_feature_says_so(call: Call, folder: Path, trained: Path, tmp_path: Path) -> None:
    dictionary = load_dictionary(trained / "mlp.1")
    dictionary.coder.b_enc[3] = -1000
    save_dictionary(dictionary, tmp_path / "dead")
    where = (folder / "model", "--data", folder / "text.txt", "--threads", 1)
    code, printed, complaint = call("dictionary", "show", tmp_path / "dead", *where, "--feature", 3)
    assert (code, complaint, "never active on this text" in printed) == (0, "", True)
    code, _, complaint = call(
        "dictionary", "show", tmp_path / "dead", *where, "--text", "ab", "--feature", 3, "--raised", 1
    )
    assert (code, "no size to raise it by" in complaint, complaint.count("\n")) == (2, True, 1)


def test_features_on_a_text_are_those_that_are_active_there(
    call: Call, folder: Path, view: FeatureView, tmp_path: Path
) -> None:
    code, printed, complaint = show(call, folder, "--text", "abcabc", "--out", tmp_path / "text.png")
    assert (code, complaint) == (0, "")
    found = view.on_text("abcabc", (), 10)
    assert (found.shares.max(1) > 0).all()
    assert [int(line.split()[0]) for line in printed.splitlines() if re.match(r" +\d+ +\d+ %", line)] == list(
        found.features
    )
    assert (tmp_path / "text.png").exists()


def test_concepts_are_listed_with_their_features_and_a_raised_feature_changes_the_text(
    call: Call, folder: Path, view: FeatureView
) -> None:
    code, printed, complaint = show(call, folder, "--concepts")
    assert (code, complaint) == (0, "")
    assert re.search(r"^ vowel +\d+ +0\.\d+ +\d+/\d+ % +[01]\.\d+", printed, re.M)
    feature = int(view.whole.density.argmax())
    code, printed, complaint = show(call, folder, "--text", "abc", "--feature", feature, "--raised", 50)
    assert (code, complaint) == (0, "")
    titles = [line for line in printed.splitlines() if line.startswith("[")]
    assert [title[:9] for title in titles] == ["[as it is", "[feature "]
    plain, steered = printed.split(titles[1])
    assert plain.splitlines()[-1] != steered.splitlines()[-1]
    again = show(call, folder, "--text", "abc", "--feature", feature, "--raised", 0)[1]
    texts = [line for line in again.splitlines() if line.startswith("abc")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--feature", 24), "there is no feature 24; the dictionary has 0..23"),
        (("--feature", -1), "there is no feature -1"),
        (("--raised", 2), "--raised needs --text to go on with and --feature to raise"),
        (("--text", ""), "the text is empty"),
        (("--text", "a€"), "is not among"),
        (("--text", "ab", "--out", "x.txt"), "figures are written as"),
    ],
)
def test_features_that_cannot_be_shown_are_one_line(
    call: Call, folder: Path, trained: Path, options, words: str
) -> None:
    code, _, complaint = show(call, folder, *options)
    assert (code, words in complaint, complaint.count("\n")) == (2, True, 1), complaint
