"""What no file says is decided by a text of the training distribution, where the text is clear about it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Call
from lookalikes import lecture
from torch import nn
from torch.nn import functional as F

from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import Corpus
from nanoscope.text.vocabulary import Vocabulary

SYMBOLS, WINDOW, STEPS = 29, 12, 100
STYLES: dict[str, tuple[Callable[[], nn.Module], dict[str, object]]] = {
    "lecture": (
        lecture.BigramLanguageModel,
        {"activation": "relu", "norm_position": "pre", "final_norm": True, "embedding_scale": "none"},
    ),
    "final norm unused": (
        lambda: lecture.BigramLanguageModel(6, final=False),
        {"activation": "relu", "final_norm": False},
    ),
}


@pytest.fixture(scope="module")
def text(shakespeare: Corpus) -> str:
    """Shakespeare in the 28 most frequent symbols; all others are one."""
    small = shakespeare.text[:200_000].lower()
    common = "".join(sorted(set(small), key=small.count, reverse=True)[: SYMBOLS - 1])
    return "".join(one if one in common else "#" for one in small)


@pytest.fixture(scope="module")
def trained(text: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each style, trained for a second, and the text itself."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(text)
    tokens = Vocabulary.of(text).encode(text)
    files = {"text": folder / "text.txt"}
    for name, (author, _) in STYLES.items():
        torch.manual_seed(0)
        model = author()
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(STEPS):
            batch = tokens[torch.randint(len(tokens) - WINDOW - 1, (24, 1)) + torch.arange(WINDOW + 1)]
            loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        files[name] = folder / f"{name}.pt"
        torch.save({"model": model.state_dict(), "best_val_loss": loss.item()}, files[name])
    return files


@pytest.mark.parametrize("name", STYLES)
def test_the_loss_decides_right(trained: dict[str, Path], name: str):
    opened = load(trained[name], data=trained["text"], vocabulary=trained["text"])
    by_field = {one.field: one for one in opened.read_from}
    for field, value in STYLES[name][1].items():
        assert by_field[field].value == value, by_field[field]
        assert by_field[field].where in ("loss", "assumed")
        if by_field[field].where == "loss":
            assert by_field[field].runner_up.startswith("+")
        else:
            assert any(f"assumed: {field}" in note for note in opened.notes)


def test_a_text_too_short_decides_nothing(trained: dict[str, Path], text: str):
    with pytest.raises(NanoscopeError, match="too few to decide anything"):
        load(trained["lecture"], data=text[:8], vocabulary=trained["text"])


def test_convert_writes_a_folder_that_opens_and_says_where_all_was_read(
    trained: dict[str, Path], tmp_path: Path, call: Call
):
    path, out = trained["lecture"], tmp_path / "ours"
    code, printed, complaint = call("convert", path, "--out", out)
    assert (code, printed) == (2, "")
    assert complaint.strip().endswith(f"try: nanoscope convert {path} --data your.txt")
    assert not out.exists()
    code, printed, complaint = call(
        "convert", path, "--data", trained["text"], "--vocabulary", trained["text"], "--out", out,
        "--set", "attention_scale=d_model",
    )  # fmt: skip
    assert (code, complaint) == (0, "")
    assert "to d_head" not in printed
    assert "--set" in printed
    assert "; the file says " in printed
    assert f"wrote {out}" in printed
    opened, direct = (
        load(out),
        load(path, data=trained["text"], vocabulary=trained["text"], settings={"attention_scale": "d_model"}),
    )
    assert opened.model.config == direct.model.config
    tokens = torch.randint(SYMBOLS, (2, WINDOW))
    assert torch.equal(opened.model(tokens), direct.model(tokens))


def test_options_of_convert_that_mean_nothing_are_refused(trained: dict[str, Path], tmp_path: Path, call: Call):
    code, _, complaint = call("convert", trained["lecture"], "--out", tmp_path / "x", "--set", "relu")
    assert (code, complaint.strip()) == (2, "nanoscope: --set takes NAME=VALUE, not 'relu'")
