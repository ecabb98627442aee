"""A tuned lens is fitted once for a checkpoint and a text, and read again as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import LETTERS, random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.progress import silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views import live
from nanoscope.views.kept_lenses import LENSES, fitted_once, is_there_any, kept

TEXT = "abcabdacbz"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS, sha256="a" * 64)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    return Corpus("letters", "".join(rng.choice(list(LETTERS.symbols), 30_000)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, checkpoint: Checkpoint, corpus: Corpus) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    fitted_once(folder, checkpoint, corpus)
    return folder


def test_what_is_read_again_is_what_was_fitted(folder: Path, checkpoint: Checkpoint, corpus: Corpus) -> None:
    (file,) = (folder / LENSES).iterdir()
    written = file.stat().st_mtime_ns
    told: list[str] = []
    again = fitted_once(folder, checkpoint, corpus, lambda part, done, of: told.append(part))
    assert (told, file.stat().st_mtime_ns) == ([], written)
    fresh = fitted_once(folder / "elsewhere", checkpoint, corpus, silent)
    for one, other in ((again.course.values, fresh.course.values), (again.steps, fresh.steps)):
        np.testing.assert_array_equal(one, other)
    assert again.stopped == fresh.stopped
    by_each = [live.lens(checkpoint, TEXT, by=one.translation.lens(checkpoint.model)).chance for one in (again, fresh)]
    np.testing.assert_array_equal(by_each[0], by_each[1])
    assert not np.allclose(by_each[0], live.lens(checkpoint, TEXT).chance, atol=1e-3)


def test_only_the_same_checkpoint_and_text_have_it(folder: Path, checkpoint: Checkpoint, corpus: Corpus) -> None:
    other = replace(checkpoint, sha256="b" * 64)
    assert is_there_any(folder, checkpoint)
    assert not is_there_any(folder, other)
    assert kept(folder, checkpoint, corpus) is not None
    assert kept(folder, other, corpus) is None
    assert kept(folder, checkpoint, Corpus("other", corpus.text[::-1])) is None
    assert kept(folder, replace(checkpoint, model=random_model(vocab_size=26, n_layer=2)), corpus) is None


def test_without_a_checksum_nothing_is_kept(tmp_path: Path, checkpoint: Checkpoint, corpus: Corpus) -> None:
    nameless = replace(checkpoint, sha256="")
    fitted_once(tmp_path, nameless, corpus)
    assert list(tmp_path.iterdir()) == []
    assert not is_there_any(tmp_path, nameless)


def test_a_damaged_file_is_fitted_again(folder: Path, tmp_path: Path, checkpoint: Checkpoint, corpus: Corpus) -> None:
    (file,) = (folder / LENSES).iterdir()
    broken = tmp_path / LENSES / file.name
    broken.parent.mkdir()
    broken.write_bytes(file.read_bytes()[:1000])
    assert kept(tmp_path, checkpoint, corpus) is None
    fitted_once(tmp_path, checkpoint, corpus)
    assert kept(tmp_path, checkpoint, corpus) is not None
