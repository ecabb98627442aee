"""The figures of the neurons say what their result says: their own texts, read on a planted result."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from toys.figure_texts import cells, heights, is_readable, legend, ticks, title

from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.analysis.neurons.statistics import DEAD
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.neurons import census, figures
from nanoscope.experiments.neurons.labels import FAMILIES
from nanoscope.plots.style import ACCENT, SECOND, SOFT

CONCEPTS = {"vowel": "kind of character", "line start": "context", "word end": "context", "current e": "current character",
            "next e": "next character", "first of its window": "position"}  # fmt: skip
CHOSEN = ("neurons", "silent", "directions", "untrained")
NEURONS = np.array([[0.6, 0.997, 0.7, 1.0, 0.5, 0.9], [0.95, 0.8, 0.75, 0.9, 0.7, 0.6]])
"""AUROC of the best neuron `[layer, concept]`."""
OTHERS = {"silent": 0.1, "directions": 0.65, "untrained": 0.55, "probe": 0.98}
SHARES = np.array([[0.9, 0.25], [0.0, 0.5]])
"""Where neurons are active: of the one that is on and the silent one, the shares in the concept and outside."""
SHIFTED = 0.52
LOSSES = {"zero": 0.5, "mean": 0.25, "mean, direct": 0.125}
ROLES = np.array([[1, 0, 0, 0], [1, 1, 2, 0]])
WEIGHTS = np.array([[0.5, -0.25, 0.0, 1.0], [-1.0, 0.1, 0.2, 0.3]])
CARDS = ("L0N1", "L1N0")


def _searched() -> dict[str, Sweep]:
    every = np.stack([NEURONS, *(np.full(NEURONS.shape, value) for value in OTHERS.values())])
    axes = {"source": CHOSEN, "concept": tuple(CONCEPTS)}
    chosen = np.array([[1, 1, 1, 1, 1, 1], [0, 2, 0, 2, 2, 2]]) * np.ones((4, 1, 1), int)
    chance = np.array([[0.5] * 6, [SHIFTED] * 6])
    families = np.array([FAMILIES.index(family) for family in CONCEPTS.values()])
    context = NEURONS[:, 1:3].max(0)
    told = np.stack([context, *(np.full(2, OTHERS[source]) for source in CHOSEN[1:])])[..., None] + [-0.01, 0.01]
    shares = SHARES[..., None].repeat(6, -1)
    parts = {"source": CHOSEN[:2], "part": ("in", "outside"), "concept": tuple(CONCEPTS)}
    return {
        "aurocs": Sweep(every, ("source", "layer", "concept"), "AUROC", axes | {"source": (*CHOSEN, "probe")}),
        "told": Sweep(told, ("source", "concept", "window"), "AUROC",
                      {"source": CHOSEN, "concept": ("line start", "word end")}),
        "active": Sweep(shares, ("source", "part", "concept"), "share", parts),
        "selected": Sweep(every[:4], ("source", "layer", "concept"), "AUROC", axes),
        "chosen": Sweep(chosen, ("source", "layer", "concept"), "neuron", axes),
        "chance": Sweep(chance, ("quantile", "concept"), "AUROC", {"quantile": (0.5, 0.95)}),
        "families": Sweep(families, ("concept",), "family", {"concept": tuple(CONCEPTS)}),
    }  # fmt: skip


def _cards() -> dict[str, Sweep]:
    values = np.zeros((4, 81))
    values[:, 40] = 3.0, 1.5, 2.0, 1.0
    text = tuple(f"{'.' * 39}{letter}{'.' * 41}" for letter in "abcd")
    statistics = np.array([[3.0, 2.0]])
    sample = np.linspace(-0.1, 2.0, 50) * np.ones((2, 1))
    return {
        "card_places": Sweep(np.zeros((2, 2)), ("card", "row"), "place", {"card": CARDS, "row": ("top 1", "half")}),
        "card_texts": Sweep(values, ("text", "char"), "activation", {"text": text}),
        "card_statistics": Sweep(statistics, ("statistic", "card"), "activation", {"statistic": ("max",)}),
        "card_sample": Sweep(sample, ("card", "char"), "activation"),
        "card_weights": Sweep(WEIGHTS, ("card", "token"), "logits per activation", {"token": ("\n", " ", "a", "b")}),
    }


def _planted() -> Result:
    """Ablating neuron i costs its effect's loss, i + 1 times as much where it is active, and nothing elsewhere."""
    lost = np.array(list(LOSSES.values()))[:, None, None, None] * np.array([1.0, 2.0, 3.0])[:, None, None]
    count = np.full((3, 2, 2), 10.0)
    change = lost * np.array([1.0, 0.0])[:, None] * count
    neurons = {"neuron": ("L0N1", "L1N0", "L1N3")}
    names = ("positive", "sparsity", "hoyer", "kurtosis", "max")
    sweeps = {
        **_searched(),
        **_cards(),
        "statistics": Sweep(np.arange(1.0, 41).reshape(5, 2, 4) / 40, ("statistic", "layer", "neuron"), "activation",
                            {"statistic": names}),
        "roles": Sweep(ROLES, ("layer", "neuron"), "role"),
        "ablation": Sweep(change, ("effect", "neuron", "part", "window"), "nats, summed", {"effect": tuple(LOSSES), **neurons}),
        "ablation_count": Sweep(count, ("neuron", "part", "window"), "characters", neurons),
        "ablation_group": Sweep(np.array([0, 0, 1]), ("neuron",), "0: chosen, 1: random", neurons),
    }  # fmt: skip
    return Result("neurons", {}, StoredSubject("a planted result"), sweeps)


def test_concepts_are_the_aurocs_context_first_and_the_best_first() -> None:
    figure = figures.concepts(_planted())
    best, beside, active, _ = figure.axes
    assert ticks(best.yaxis) == ["line start", "word end", "vowel"]
    assert cells(best) == {(0, 0): "1.00", (0, 1): ".80", (1, 0): ".70", (1, 1): ".75", (2, 0): ".60", (2, 1): ".95"}
    assert ticks(best.xaxis) == ["L0", "L1"]
    columns = dict(zip(ticks(beside.xaxis), (cells(beside)[0, column] for column in range(5)), strict=True))
    assert list(columns) == ["untrained model", "random direction", "most silent neuron", "shifted labels", "probe"]
    assert list(columns.values()) == [".55", ".65", ".10", ".52", ".98"]
    shares = dict(zip(ticks(active.xaxis), (cells(active)[0, column] for column in range(4)), strict=True))
    assert shares == {"on, in": ".90", "on, outside": ".25", "silent, in": ".00", "silent, outside": ".50"}
    assert "AUROC of their input" in title(figure)
    is_readable(figure)


def test_a_result_of_version_3_is_drawn_without_what_it_lacks_and_says_what_was_ranked() -> None:
    sweeps = dict(_planted().sweeps)
    sources = ("neurons", "directions", "untrained", "probe")
    values = np.stack([sweeps["aurocs"].sel(source=source).values for source in sources])[..., None]
    axes = {"source": sources, "concept": tuple(CONCEPTS)}
    old = {name: sweep for name, sweep in sweeps.items() if name not in ("aurocs", "told", "active")}
    for name in ("selected", "chosen"):
        old[name] = Sweep(sweeps[name].values, sweeps[name].dims, "", axes)
    old["report"] = Sweep(values, ("source", "layer", "concept", "window"), "AUROC", axes)
    result = Result("neurons", {}, StoredSubject("an old result"), old)
    figure = figures.concepts(result)
    assert len(figure.axes) == 3
    assert "AUROC of their activation" in title(figure)
    assert "neurons_thresholds" not in open_experiment("neurons").drawable(result)
    assert {"neurons_concepts", "neurons_statistics"} <= set(open_experiment("neurons").drawable(result))


def test_counts_are_drawn_at_every_threshold() -> None:
    figure = figures.thresholds(_planted())
    told, low = figure.axes
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in told.lines}
    at = {float(threshold): number for number, threshold in enumerate(census.AUROCS)}
    assert [curves["a neuron is on"][at[t]] for t in (0.5, 0.75, 0.76, 0.99, 1.0)] == [2, 2, 1, 1, 0]
    assert [curves["a neuron is silent (1 - AUROC)"][at[t]] for t in (0.9, 0.91)] == [2, 0]
    assert [curves["as many random directions"][at[t]] for t in (0.65, 0.66)] == [2, 0]
    assert any(list(np.asarray(line.get_xdata())) == [SELECTIVE] * 2 for line in told.lines)
    assert any(list(np.asarray(line.get_xdata())) == [DEAD] * 2 for line in low.lines)
    assert (told.get_xlabel(), told.get_ylabel()) == ("AUROC on new text", "of 2 context concepts")
    assert low.get_ylabel() == "of 8 neurons, those that never exceed it"
    assert set(legend(figure)) == {label for label in curves if not label.startswith("_")}
    is_readable(figure)


def test_the_families_are_those_of_the_experiment_each_in_its_colour() -> None:
    figure = figures.concepts(_planted())
    families, shown = figure.axes[3], legend(figure)
    sizes = {family: list(CONCEPTS.values()).count(family) for family in FAMILIES}
    assert list(shown) == [*(f"{family} ({n})" for family, n in sizes.items()), f"selective: {SELECTIVE} or more"]
    assert list(shown.values())[:5] == [to_hex(colour) for colour in figures.FAMILY_COLOURS.values()]
    means = {str(line.get_label()): np.asarray(line.get_ydata()) for line in families.lines}
    assert means["context (2)"] == pytest.approx(NEURONS[:, 1:3].mean(1))
    assert means["position (1)"] == pytest.approx(NEURONS[:, 5])
    assert means[f"selective: {SELECTIVE} or more"][0] == SELECTIVE
    assert families.get_ylabel() == "AUROC of a layer's best neuron, mean"


def test_a_card_says_what_its_neuron_is_the_best_for_and_writes_its_activations() -> None:
    figure = figures.cards_of_result(_planted())
    first, spread, raised, second = figure.axes[:4]
    assert title(first) == "L0N1  best for line start 1.00"
    assert title(second) == "L1N0  best for vowel 0.95, word end 0.75"
    assert [label.split() for label in ticks(first.yaxis)] == [["top", "1", "3.00"], ["half", "1.50"]]
    assert (spread.get_xlabel(), spread.get_ylabel()) == ("line: largest of all", "characters")
    assert ticks(raised.yaxis) == ["b", "↵", "a", "␣"]
    assert raised.get_xlabel() == "logits per activation"
    is_readable(figure)


def test_statistics_have_a_box_per_layer_and_the_roles_are_shares() -> None:
    figure = figures.statistics(_planted())
    roles = figure.axes[5]
    assert heights(roles) == pytest.approx([0.25, 0.5, 0.0, 0.25])
    shown = legend(roles)
    assert set(shown) == {"prediction", "suppression", "Gaussian weights, both"}
    assert (shown["prediction"], shown["suppression"]) == (to_hex(ACCENT), to_hex(SECOND))
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "share of characters", "share of characters", "Hoyer's sparsity", "kurtosis", "activation", "share of neurons",
    ]  # fmt: skip
    assert all(ticks(ax.xaxis) == ["L0", "L1"] for ax in figure.axes)
    is_readable(figure)


def test_ablation_writes_each_neurons_loss_and_what_it_was_set_to() -> None:
    figure = figures.ablation(_planted())
    active, elsewhere = figure.axes
    assert legend(figure) == {
        "set to its mean": to_hex(ACCENT),
        "set to its mean, direct effect only": to_hex(SECOND),
        "set to 0": to_hex(SOFT),
    }
    bars = [one for one in active.containers if isinstance(one, ErrorbarContainer)]
    drawn = {str(one.get_label()): np.asarray(one[0].get_ydata()) for one in bars if one[0] is not None}
    assert drawn["set to 0"] == pytest.approx(LOSSES["zero"] * np.array([1, 2, 3]))
    assert drawn["set to its mean"] == pytest.approx(LOSSES["mean"] * np.array([1, 2, 3]))
    assert drawn["set to its mean, direct effect only"] == pytest.approx(LOSSES["mean, direct"] * np.array([1, 2, 3]))
    assert ticks(elsewhere.xaxis) == ["L0N1", "L1N0", "L1N3"]
    assert title(active) == "Without one neuron, where the neuron is active"
    assert title(elsewhere) == "Without one neuron, elsewhere"
    assert active.get_ylabel() == "loss added,\nnats per character"
    assert "left of the line: chosen" in elsewhere.get_xlabel()
    border = [line for line in active.lines if list(np.asarray(line.get_xdata())) == [1.5, 1.5]]
    assert len(border) == 1, "between the two chosen neurons and the random one"
    is_readable(figure)
