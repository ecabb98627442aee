"""`nanoscope dictionary train` and `nanoscope dictionary show`: a sparse dictionary of an activation, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.table import Column

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    DataName,
    GivenNumber,
    GivenPath,
    GivenReal,
    GivenText,
    ModelOptions,
    VocabularyFile,
    narrow_table,
    open_subject,
    say,
    tell,
)
from nanoscope.cli.features import features_of, print_card, print_concepts, print_steered, print_text
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.dictionaries.fit import FitProgress
    from nanoscope.dictionaries.measure import Row
    from nanoscope.dictionaries.metrics import Losses
    from nanoscope.dictionaries.objective import Recipe
    from nanoscope.dictionaries.source import Source
    from nanoscope.text.corpora.corpus import Corpus
    from nanoscope.views.features import FeatureView

LINES = 10
"""Lines of a training in a log."""
NAMES = {"principal components": "PCA"}
"""Short enough for a table of 60 columns."""


@dataclass(frozen=True)
class DictionaryTrainCommand(ModelOptions):
    """Train a sparse dictionary (SAE, or a transcoder of an MLP) of an activation, or go on with its training.

    `nanoscope dictionary train CKPT --site resid_post.3 --latents 512 --k 16 --tokens 100_000`; then
    `nanoscope dictionary show DIR CKPT`. The same with --twin, of an untrained model, is what it must be compared with.
    """

    site: GivenText = None
    """NAME.LAYER, such as resid_post.3, z.0 or post.2; mlp.LAYER is a transcoder, mlp alone one of every layer, for nanoscope
    graph; default: resid_post in the middle."""
    latents: int = 3072
    """Directions of the dictionary."""
    k: int = 16
    """Active latents per token (topk), or on average (batchtopk, jumprelu's aim)."""
    tokens: int = 3_000_000
    """Tokens to train on; the text is read as often as that takes."""
    kind: Literal["topk", "batchtopk", "jumprelu", "relu"] = "topk"
    """How active latents are chosen; relu has a price on their sum."""
    seed: int = 1
    """Seed of the first weights, the places in the text, and the twin."""
    twin: bool = False
    """Train it on an untrained model of the same shape instead."""
    out: GivenPath = None
    """Folder of the dictionary; default: runs/dictionary-SITE-SEED, or -twin after it."""


@dataclass(frozen=True)
class DictionaryShowCommand:
    """How good is a dictionary, beside PCA and single neurons or coordinates with as many active numbers? What does it hold?

    `nanoscope dictionary show runs/dictionary-resid_post.3-1 CKPT`. FVU: share of the variance that is left unexplained (0 is
    perfect). Nats: what the loss rises by if the reconstruction replaces the activation.

    Its features: --concepts, --feature N, --text TEXT; and --text TEXT --feature N --raised 2 lets the model go on with a text
    while the feature is raised.
    """

    dictionary: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Folder of a dictionary."""
    checkpoint: CheckpointPath
    """The checkpoint that it was trained on: nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    data: DataName = None
    """The text to measure on: a file, or shakespeare, code or wiki (./code is a file of that name); default: shakespeare."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""
    tokens: int = 65_536
    """Tokens of each part of the text to measure on."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""
    json: GivenPath = None
    """Keep all numbers in this file, with the histogram of densities."""
    concepts: bool = False
    """List the feature that tells each concept best, beyond shifted labels."""
    feature: GivenNumber = None
    """A feature's number: show its card, with examples from all tenths of its values."""
    text: GivenText = None
    """A text of your own: show which features are active on it, and what the predictions lose without each."""
    raised: GivenReal = None
    """Go on with --text while --feature is raised everywhere by X times its largest value; negative lowers it."""
    out: FigureFile = None
    """File of the figure of --text: .png, .svg or .pdf."""


def run_dictionary_train(command: DictionaryTrainCommand) -> None:
    """Train, and say how the training ended."""
    from nanoscope.dictionaries.source import TRANSCODER, Source

    recipe = _recipe(command)
    checkpoint, corpus = open_subject(command)
    config = checkpoint.model.config
    if command.site != TRANSCODER:
        source = Source.named(command.site or f"resid_post.{config.n_layer // 2}")
        return _train(command, recipe, checkpoint, corpus, source, command.out or _folder(source, command))
    if config.attention_only:
        raise NanoscopeError("the model is attention-only, so it has no MLPs to train transcoders of")
    for source in (Source.named(f"{TRANSCODER}.{layer}") for layer in range(config.n_layer)):
        folder = _folder(source, command) if command.out is None else command.out / str(source)
        _train(command, recipe, checkpoint, corpus, source, folder)
    folder = "" if command.out is None else f" --transcoders {command.out}"
    say(f"next: nanoscope graph {command.checkpoint} --text TEXT{folder}")
    return None


def _train(
    command: DictionaryTrainCommand,
    recipe: Recipe,
    checkpoint: Checkpoint,
    corpus: Corpus,
    source: Source,
    folder: Path,
) -> None:
    """Train one dictionary, or go on with its training."""
    from nanoscope.dictionaries.store import train

    say(f"dictionary of {source}{' of an untrained twin' * command.twin}: {recipe.steps:,} steps; folder: {folder}")
    last: list[FitProgress] = []
    with progress("dictionary") as show:
        show("reading the text", 0, recipe.steps)

        def told(now: FitProgress) -> None:
            last[:] = [now]
            show(_part(now), now.step, now.steps)

        train(checkpoint, corpus, source, recipe, folder, command.seed if command.twin else None, told)
    tell(f"at the end of training: {_words(last[0])}" if last else "this dictionary was trained already")
    say(f"next: nanoscope dictionary show {folder} {command.checkpoint}")


def _recipe(command: DictionaryTrainCommand) -> Recipe:
    """The recipe of a command, in bfloat16 where the processor multiplies it natively: three times as fast."""
    from nanoscope.dictionaries.objective import Recipe
    from nanoscope.training.recipe import native_precision

    precision = native_precision("cpu")
    return Recipe(command.kind, command.latents, command.k, command.tokens, seed=command.seed, precision=precision)


def _folder(source: Source, command: DictionaryTrainCommand) -> Path:
    return Path("runs") / f"dictionary-{source}-{command.seed}{'-twin' * command.twin}"


def _part(now: FitProgress) -> str:
    """What is shown of a training: on a terminal all that is told, in a log every tenth of it."""
    shown = CONSOLE.is_terminal or now.step == now.steps or now.step % max(1, now.steps // LINES) == 0
    return _words(now) if shown else ""


def _words(now: FitProgress) -> str:
    return f"FVU {now.fvu:.3f}, L0 {now.l0:.1f}, alive {100 * now.alive:.0f} %"


def run_dictionary_show(command: DictionaryShowCommand) -> None:
    """Measure a dictionary and its controls, and print them."""
    from nanoscope import files
    from nanoscope.dictionaries.measure import measured, plain
    from nanoscope.dictionaries.store import load

    _check(command)
    dictionary = load(command.dictionary)
    options = ModelOptions(command.checkpoint, command.data, command.vocabulary, command.threads)
    checkpoint, corpus = open_subject(options)
    if dictionary.identity.get("corpus") not in (None, corpus.sha256):
        tell("note: the dictionary was trained on another text than this one", style="dim")
    if command.concepts or command.feature is not None or command.text is not None:
        return _print_features(command, features_of(dictionary, checkpoint, corpus), checkpoint)
    with progress("dictionary") as show:
        rows = measured(dictionary, checkpoint, corpus, command.tokens, show)
    _print(str(dictionary), rows)
    if command.json is not None:
        files.write_json(command.json, plain(rows))
        say(f"numbers: {command.json}")
    return None


def _check(command: DictionaryShowCommand) -> None:
    """NanoscopeError for options that do not go together, before anything is measured."""
    require_figure_file(command.out)
    if command.tokens < 1:
        raise NanoscopeError(f"--tokens must be at least 1, not {command.tokens}")
    if command.raised is not None and (command.text is None or command.feature is None):
        raise NanoscopeError("--raised needs --text to go on with and --feature to raise; give both")
    if command.text is not None and not command.text:
        raise NanoscopeError("the text is empty; give at least one character with --text")


def _print_features(command: DictionaryShowCommand, view: FeatureView, checkpoint: Checkpoint) -> None:
    """What was asked about the dictionary's features."""
    feature = None if command.feature is None else view.feature(command.feature)
    tell(str(view.dictionary))
    if command.concepts:
        print_concepts(view)
    if command.text is not None and feature is not None and command.raised is not None:
        return print_steered(view, checkpoint, command.text, feature, command.raised)
    if command.text is not None:
        of = (checkpoint.sha256, str(view.dictionary), feature)
        print_text(view, checkpoint, command.text, feature, figure_file(command.out, "features", command.text, *of))
    elif feature is not None:
        print_card(view.card(feature))
    return None


def _print(what: str, rows: tuple[Row, ...]) -> None:
    """A row per coder on held-out text, and one of the dictionary on its training text; then what the ablations cost."""
    tell(what)
    numbers = (Column(name, justify="right", no_wrap=True) for name in ("FVU", "L0", "alive", "nats", "zero", "mean"))
    table = narrow_table(Column("held-out text", no_wrap=True), *numbers)
    trained, *held_out = rows
    for row in (held_out[0], trained, *held_out[1:]):
        of, losses = row.fidelity, row.losses
        shares = (f"{100 * losses.recovered(ablated):.1f}" for ablated in (losses.zero, losses.mean))
        cells = (f"{of.fvu:.3f}", f"{of.l0:.1f}", f"{100 * of.alive:.0f}", f"{losses.change:+.3f}", *shares)
        table.add_row("training text" if row is trained else NAMES.get(row.coder, row.coder), *cells)
    CONSOLE.print(table)
    tell(_ablations(held_out[0].losses))
    tell("alive: percent; zero, mean: of that ablation's damage, the percentage that the reconstruction does not do")


def _ablations(losses: Losses) -> str:
    """What the changes of the loss must be read beside."""
    zero, mean = losses.zero - losses.model, losses.mean - losses.model
    return f"held-out loss {losses.model:.3f} nats; activation set to 0 {zero:+.3f}, to its mean {mean:+.3f}"
