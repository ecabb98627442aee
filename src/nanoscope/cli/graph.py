"""`nanoscope graph`: how features and heads make one prediction, as a graph whose edges are checked in the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Column

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    GivenPath,
    VocabularyFile,
    narrow_table,
    open_model,
    read_prompt,
    save_figure,
    say,
    tell,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.analysis.features.verify import Agreement
    from nanoscope.views.graph import TextGraph

LISTED, NAMED, EXCERPT = 12, 4, 50
LEAST = 0.0005
"""Roles with a smaller share of the influence are left out of the table."""


@dataclass(frozen=True)
class GraphCommand:
    """How is the next token made? `nanoscope graph CKPT --text "ROMEO: what l"`, with a transcoder of every MLP.

    Nodes are features of the transcoders, heads by position, errors (what a transcoder does not explain), tokens and logits;
    edges are exact contributions with attention patterns and norm scales held. A sample of them is checked by interventions in
    the model.

    The transcoders come first: `nanoscope dictionary train CKPT --site mlp`.
    """

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    text: Annotated[str, tyro.conf.arg(metavar="TEXT")]
    """The text whose next token is explained; short ones are drawn best."""
    transcoders: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Folder with the transcoders, as dictionary train writes them."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""
    json: GivenPath = None
    """Keep the shown nodes and edges, scores and checks in this file."""
    out: FigureFile = None
    """File of the figure: .png, .svg or .pdf."""


def run_graph(command: GraphCommand) -> None:
    """Build the graph, check it, print its parts and draw it."""
    from nanoscope import files
    from nanoscope.views.graph import graph_of_text, transcoders

    require_figure_file(command.out)
    if not command.text:
        raise NanoscopeError("the text is empty; give at least one character with --text")
    checkpoint = open_model(command.checkpoint, command.threads, vocabulary=command.vocabulary)
    coders = transcoders(checkpoint, command.transcoders)
    text = read_prompt(checkpoint, command.text)
    with progress("graph") as show:
        found = graph_of_text(checkpoint, coders, text, show)
    _print(found)
    if command.json is not None:
        files.write_json(command.json, found.plain())
        say(f"graph: {command.json}")
    _draw(found, text, checkpoint.model.config.n_layer, figure_file(command.out, "graph", text, checkpoint.sha256))


def _print(found: TextGraph) -> None:
    """What is predicted, how much the graph explains, how far it is true, and its parts."""
    answers = ", ".join(f"{symbol!r} {100 * p:.0f} %" for symbol, p in found.summary.answers[:NAMED])
    tell(f"next: {answers}", style="bold")
    scores = found.summary.scores
    tell(
        f"replacement score {scores.replacement:.2f}, completeness score {scores.completeness:.2f} (1: everything passes "
        "through features, nothing through errors)"
    )
    tell(f"edges checked in the model: {_said(found.edges)}")
    tell(f"whole effects of features, nothing held: {_said(found.effects['nothing held'])}")
    tell(
        f"with norms alone free: {_said(found.effects['norms free'])} (a contribution is a share of what is there; without it, "
        "norms raise what is left)"
    )
    table = narrow_table("role", Column("share of influence", justify="right", no_wrap=True))
    for role, share in found.summary.groups.items():
        if share < LEAST:
            continue
        table.add_row(role, f"{100 * share:.1f} %")
    CONSOLE.print(table)
    _print_nodes(found)
    for line in found.reasons:
        tell(line)


def _said(found: Agreement) -> str:
    if found.cases < 2:
        return "too few to compare"
    return (
        f"{100 * found.same_sign:.0f} % of {found.cases} have the predicted sign, {100 * found.share:.0f} % are within a fifth "
        f"of the predicted size; correlation {found.correlation:.2f}"
    )


def _print_nodes(found: TextGraph) -> None:
    """The features and heads with most influence, and what each reads most."""
    numeric = (Column(name, justify="right", no_wrap=True) for name in ("influence", "value"))
    table = narrow_table(Column("node", no_wrap=True), Column("at", no_wrap=True), *numeric, "reads most")
    inner = [at for at, node in enumerate(found.summary.nodes) if node.kind in ("feature", "head")]
    for at in sorted(inner, key=lambda at: -found.summary.nodes[at].influence)[:LISTED]:
        node = found.summary.nodes[at]
        read = sorted((edge for edge in found.summary.edges if edge.target == at), key=lambda edge: -edge.share)[:2]
        sources = ", ".join(f"{found.summary.nodes[edge.source].name} {edge.weight:+.2f}" for edge in read)
        symbol = repr(found.summary.symbols[node.pos])
        table.add_row(node.name, symbol, f"{node.influence:.2f}", f"{node.value:+.2f}", sources)
    CONSOLE.print(table)
    tell(
        "influence: share of what reaches the logits that passes through the node; L2F417@5: feature 417 of layer 2 at "
        "position 5, counted from 0"
    )


def _draw(found: TextGraph, text: str, layers: int, path: Path) -> None:
    from nanoscope.plots.attribution_graph import DrawnEdge, DrawnNode, attribution_graph

    nodes = [
        DrawnNode(node.kind, _label(found, at), node.layer, node.pos, node.influence)
        for at, node in enumerate(found.summary.nodes)
    ]
    edges = [DrawnEdge(edge.source, edge.target, edge.weight, edge.share) for edge in found.summary.edges]
    shown = text if len(text) <= EXCERPT else f"...{text[-EXCERPT:]}"
    scores = f"replacement {found.summary.scores.replacement:.2f}, completeness {found.summary.scores.completeness:.2f}"
    checked = f"{100 * found.edges.share:.0f} % of {found.edges.cases} checked edges hold"
    title = f"How {found.summary.answers[0][0]!r} follows {shown!r} ({scores}; {checked})"
    save_figure(attribution_graph(nodes, edges, found.summary.symbols, layers, title), path)


def _label(found: TextGraph, at: int) -> str:
    """What stands at a node: heads as L1H3, features by number, logits with their probability; tokens are on the axis."""
    node = found.summary.nodes[at]
    if node.kind == "logit":
        return f"{node.name!r} {100 * dict(found.summary.answers)[node.name]:.0f} %"
    return {"head": node.name.partition("@")[0], "feature": str(node.index), "error": "", "token": ""}[node.kind]
