"""Fixtures of the browser tests: a really trained small model, the page's server, and headless Chromium."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from watched import OPENING, PUBLISHED, Watched, watch

from nanoscope.checkpoints.checkpoint import load
from nanoscope.dashboard.app import application
from nanoscope.dashboard.guard import KEY
from nanoscope.dashboard.serve import listening
from nanoscope.dashboard.session import Session
from nanoscope.dictionaries import store
from nanoscope.dictionaries.objective import Recipe as DictionaryRecipe
from nanoscope.dictionaries.source import Source
from nanoscope.model.config import GPTConfig
from nanoscope.text.corpora import Corpus
from nanoscope.training.loop import train
from nanoscope.training.recipe import Recipe

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SMALL = Recipe(
    GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=48),
    iterations=150,
    batch_size=16,
    warmup=20,
    learning_rate=3e-3,
    checkpoint_every=50,
    dense_until=8,
    eval_every=150,
    eval_windows=8,
)
FEW = DictionaryRecipe("topk", latents=48, k=4, tokens=8_192, batch=512, dead_after=2_048)


@pytest.fixture(scope="session")
def training(shakespeare: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small training on the text: `final`, and `checkpoints`."""
    folder = tmp_path_factory.mktemp("trained") / "small"
    train(SMALL, shakespeare, folder)
    return folder


@pytest.fixture(scope="session")
def dictionary(training: Path, shakespeare: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small dictionary of the model's first layer, trained on a few thousand tokens."""
    folder = tmp_path_factory.mktemp("dictionary") / "first"
    store.train(load(training / "final"), shakespeare, Source.named("resid_post.0"), FEW, folder)
    return folder


@pytest.fixture(scope="session")
def session(training: Path, dictionary: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    study = PUBLISHED if (PUBLISHED / "study.json").exists() else None
    keep = tmp_path_factory.mktemp("mine")
    return Session([training / "final"], study=study, keep=keep, dictionaries=[dictionary])


@pytest.fixture(scope="session")
def home(session: Session) -> Iterator[str]:
    """The page's address, served in this process."""
    with listening(0) as opened:
        server = uvicorn.Server(uvicorn.Config(application(session, OPENING), log_level="warning", access_log=False))
        running = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        running.start()
        yield f"http://127.0.0.1:{opened.getsockname()[1]}/"
        server.should_exit = True
        running.join(timeout=10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser a file: while it runs, playwright's loop runs in this thread, and no other could."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; install it to test the page in a browser")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(chromium: Any, home: str) -> Iterator[Watched]:
    """The page; any error in it, and any request that leaves the machine, fails the test."""
    watched = watch(chromium, home)
    watched.page.goto(f"{home}?{KEY}={OPENING}")
    watched.page.goto("about:blank")  # a test's own content is not under the page's policy
    yield watched
    watched.page.close()
    assert watched.wrong == []
