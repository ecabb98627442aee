"""The experiment `profile`: models of known answer, verdicts from numbers, every kind of model, its figures and its page."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import random_model
from jaxtyping import Float

from nanoscope.analysis.prediction import effective_context, position_loss
from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import answers
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.circuits.facts import suffices
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.following import spaced
from nanoscope.experiments.measuring import Sweeps
from nanoscope.experiments.pages import section
from nanoscope.experiments.profile import control, development, judge
from nanoscope.experiments.profile.kinds import KINDS, fine_kinds
from nanoscope.experiments.profile.page import circuits_of, values
from nanoscope.experiments.profile.setting import HELD_OUT, TEXTS, Params, Setting, setting_of
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.blank import blank
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.text.corpora import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.training.loop import checkpoints, train
from nanoscope.training.recipe import Recipe

FEW = Params(windows=12, ablated_windows=4, search_windows=2, kept_windows=4, random_sets=2)
EXPERIMENT = open_experiment("profile")
CONTEXT = 40


def _play() -> str:
    """Speeches of random words: nothing beyond a few characters helps."""
    rng = np.random.default_rng(0)
    words = [
        "thou",
        "art",
        "my",
        "lord,",
        "and",
        "I",
        "go",
        "hence!",
        "O",
        "what",
        "man",
        "is",
        "this?",
        "come,",
        "sir.",
    ]
    speeches = [" ".join(rng.choice(words, 9)) + "\n" + " ".join(rng.choice(words, 7)) for _ in range(240)]
    return "".join(f"{rng.choice(['KING', 'FOOL', 'First Lord'])}:\n{speech}\n\n" for speech in speeches)


PLAY = Corpus("a play", _play())
VOCABULARY = PLAY.vocabulary


def _table_model(tables: NGrams, context: int) -> GPT:
    """A model that is the table of bigrams: each token's embedding is read out as the log-probabilities after it."""
    symbols = tables.symbols
    shape = {"n_layer": 2, "n_head": 2, "n_embd": symbols + symbols % 2, "block_size": context, "vocab_size": symbols}
    model = blank(GPTConfig(**shape, tied_head=False, norm="none", final_norm=False))
    model.wte.weight[:, :symbols] = torch.eye(symbols)
    after = tables.distribution(np.arange(symbols)[:, None])[1][:, 0]
    model.lm_head.weight[:, :symbols] = torch.from_numpy(np.log(after)).float().T
    return model


def _measured(model: GPT, corpus: Corpus = PLAY, vocabulary: object = VOCABULARY, params: Params = FEW) -> Sweeps:
    return EXPERIMENT.measure(Subject(Checkpoint(model, vocabulary), corpus, "a model"), params)  # type: ignore[arg-type]


def _judged(sweeps: Sweeps) -> dict[str, Finding]:
    return {finding.id.partition(".")[2]: finding for finding in EXPERIMENT.judge(sweeps)}


@pytest.fixture(scope="module")
def table() -> Sweeps:
    """A model made of a table of bigrams of its training text."""
    tables = NGrams.fit(VOCABULARY.encode(PLAY.train).numpy(), len(VOCABULARY), 2)
    return _measured(_table_model(tables, CONTEXT))


@pytest.fixture(scope="module")
def copying() -> tuple[Setting, Sweeps]:
    """The hand-built copying model on a text that repeats itself with a period of 23."""
    checkpoint = planted_induction(Vocabulary(control.LETTERS), Planted(context=control.CONTEXT))
    subject = Subject(checkpoint, Corpus("repeating", control.repeating("a test")), "planted")
    params = replace(FEW, search_windows=6)
    return setting_of(subject, params), EXPERIMENT.measure(subject, params)


@pytest.fixture(scope="module")
def noise() -> Sweeps:
    """Random weights, three layers."""
    return _measured(random_model(vocab_size=len(VOCABULARY), block_size=CONTEXT))


def _result(sweeps: Sweeps) -> Result:
    subject = StoredSubject("the model", config={"n_layer": 1})
    return Result("profile", {"version": 1}, subject, sweeps, EXPERIMENT.judge(sweeps))


# ---- models of known answer ------------------------------------------------------------------------------------------


def test_a_model_that_is_a_table_reads_one_character_and_needs_no_head(table: Sweeps) -> None:
    found = _judged(table)
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(found, "not supported")
    assert np.abs(table["context"].values).max() < 1e-5
    assert np.abs(table["ablation"].values).max() < 1e-5
    assert found["context"].evidence.facts["reach"] == "1"
    assert judge.fewest(table) == 0
    np.testing.assert_allclose(
        table["loss"].sel(predictor="model").values, table["loss"].sel(predictor="2-gram").values, atol=1e-5
    )
    assert np.abs(table["agreement"].sel(n=2, way="KL(table || model)").values).max() < 1e-5
    assert table["agreement"].sel(n=2, way="same first choice").values.min() == 1


def test_a_model_that_copies_reads_far_with_both_its_heads(copying: tuple[Setting, Sweeps]) -> None:
    _, sweeps = copying
    found = _judged(sweeps)
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(found, "supported")
    assert found["context"].evidence.facts["reach"] in ("32", "more than 32")
    assert {str(name) for name in sweeps["order"].labels("removed")[-2:]} == {"L0H0", "L1H0"}
    assert judge.fewest(sweeps) == 2
    alone, together = judge.alone_and_together(sweeps, ["L0H0", "L1H0"], "all heads")
    assert alone > 1.5 * together.mean() > 5, (
        "a chain: without either there is nothing left, so the sum counts it twice"
    )
    assert np.abs(sweeps["ablation"].sel(set="L1H1").values).max() < 1e-5


def test_the_control_that_every_result_holds_is_a_clear_yes(table: Sweeps) -> None:
    """Beside every no: the same measurements of a model that has what was not found."""
    values = dict(zip(control.CONTROLS, table["control"].values.mean(1), strict=True))
    thresholds = {claim.id.partition(".")[2]: claim.criterion.threshold for claim in EXPERIMENT.claims}
    assert values.keys() == thresholds.keys()
    assert all(values[name] > 1 > 3 * threshold for name, threshold in thresholds.items())
    assert table["control"].values.shape[1] == control.WINDOWS


def test_a_model_of_random_weights_is_worse_than_every_table(noise: Sweeps) -> None:
    assert _judged(noise)["layers"].verdict == "not supported"
    beside = judge.beside_tables(noise)
    assert beside.lead < 0
    assert beside.interval[1] < 0


# ---- the same numbers in other ways ----------------------------------------------------------------------------------


def test_a_cut_context_is_that_of_each_window_cut_by_hand(copying: tuple[Setting, Sweeps]) -> None:
    s, sweeps = copying
    model, text = s.model, s.windows[HELD_OUT]
    at = effective_context.spread_places(s.size, max(1, s.size // 16))
    for window in (0, 5):
        losses = []
        for place in at:
            seen = text.text[window, place - 15 : place + 1]
            logits = run(model, torch.cat([torch.tensor([s.subject.start]), seen])[None]).logits[0, -1]
            losses.append(-float(logits.log_softmax(-1)[text.text[window, place + 1]]))
        whole = position_loss.of_model(model, text)[window, at]
        assert sweeps["context"].sel(text=HELD_OUT, context=16).values[window] == pytest.approx(
            np.mean(losses - whole), abs=1e-4
        )


def test_all_heads_kept_is_the_model_and_none_is_without_all(noise: Sweeps) -> None:
    assert np.abs(noise["kept"].values[:, -1]).max() == 0
    np.testing.assert_allclose(
        noise["kept"].values[:, 0], noise["ablation"].sel(set="all heads").values, atol=1e-6
    )  # as many windows of both, so the same
    assert (noise["random"].values.shape[:2], noise["random"].labels("kept")) == ((4, 2), (1, 2, 3, 5))


def test_no_window_is_both_searched_and_judged(copying: tuple[Setting, Sweeps]) -> None:
    s, _ = copying
    places = [set(one.laid_out.tolist()) for one in (s.searched, s.judged(HELD_OUT, 4))]
    assert places[0].isdisjoint(places[1])
    assert min(map(len, places)) >= 3 * s.size


def test_the_kinds_are_exclusive_and_their_losses_add_up(noise: Sweeps) -> None:
    text = "KING:\nGo, sir.\n\n"
    names = [KINDS[kind] for kind in fine_kinds(text)]
    assert names == [
        *["speaker name"] * 4, "punctuation", "newline", "line start", "within word", "punctuation", "space",
        "word start", "within word", "within word", "punctuation", "newline", "newline",
    ]  # fmt: skip
    counts = noise["kind_count"].values.sum(1)
    np.testing.assert_array_equal(counts, CONTEXT // 2)
    np.testing.assert_allclose(noise["kind_loss"].values.sum(2) / counts[:, None], noise["loss"].values)


def test_the_fewest_heads_are_those_from_which_on_a_tenth_is_lost() -> None:
    def kept(costs: list[float]) -> Sweeps:
        values = np.array([[[cost] for cost in costs]] * 2)
        return {"kept": Sweep(values, ("text", "kept", "window"), "nats", {"text": TEXTS})}

    assert judge.fewest(kept([2.0, 1.0, 0.19, 0.1, 0.0])) == 2
    assert judge.fewest(kept([2.0, 0.1, 0.3, 0.1, 0.0])) == 3
    assert judge.fewest(kept([-0.1, -0.2, 0.0])) == 0, "heads that do harm: none is needed"


# ---- verdicts and words ----------------------------------------------------------------------------------------------


def _costs(mean: float, n: int = 40) -> Float[np.ndarray, "window"]:
    return mean + np.random.default_rng(0).normal(0, 0.005, n)


@pytest.mark.parametrize(
    ("by", "verdict"), [(2.0, "supported"), (1.0, "straddles the criterion"), (0.5, "not supported")]
)
def test_every_verdict_has_its_own_sentence_and_answer(noise: Sweeps, by: float, verdict: str) -> None:
    """Stored numbers moved to where each verdict is; nothing but these numbers is judged."""
    context, ablation = (noise[name] for name in ("context", "ablation"))
    cut = np.broadcast_to(_costs(0.02 * by), (*context.values.shape[:2], 40))
    out = np.broadcast_to(_costs(0.3 * by), (*ablation.values.shape[:2], 40))
    moved = {
        **noise,
        "context": replace(context, values=cut),
        "ablation": replace(ablation, values=out),
    }
    found = _judged(moved)
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(found, verdict)
    for finding in found.values():
        assert not any(bad in finding.text for bad in ("{", "}", "None", "undefined")), finding.text
    said = answers(EXPERIMENT.questions, _result(moved))
    reply = {"supported": "yes", "not supported": "no"}.get(verdict, "cannot tell")
    assert [one.reply for one in said] == [reply] * 2


def test_how_far_it_reads_in_words() -> None:
    def by_length(costs: list[float]) -> str:
        return judge.reach(Sweep(np.array(costs), ("context",), "nats", {"context": (1, 2, 4)}))

    assert by_length([0.5, 0.02, 0.009]) == "4"
    assert by_length([0.5, 0.02, 0.01]) == "4"
    assert by_length([0.5, 0.02, 0.02]) == "more than 4"
    assert by_length([0.0, 0.0, 0.0]) == "1"
    assert by_length([0.0, 0.02, 0.0]) == "4", "a longer cut that costs more is not overlooked"


# ---- every kind of model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "not_applicable"),
    [
        ({"n_layer": 1, "n_head": 1, "attention_only": True}, {"layers"}),
        ({"n_layer": 2, "block_size": 12}, {"context"}),
        ({"n_layer": 1, "block_size": 1}, {"layers", "context"}),
    ],
)
def test_a_question_without_an_object_is_not_applicable_and_says_why(changes: dict, not_applicable: set[str]) -> None:
    model = random_model(vocab_size=len(VOCABULARY), **({"block_size": CONTEXT} | changes))
    sweeps = _measured(model)
    found = _judged(sweeps)
    assert {name for name, finding in found.items() if finding.verdict == "not applicable"} == not_applicable
    assert all(found[name].evidence.why for name in not_applicable)
    result = _result(sweeps)
    for draw in EXPERIMENT.drawable(result).values():
        assert draw(result).axes
    assert values(Study(None, (result,)), result)["heads"] == model.config.n_layer * model.config.n_head


def test_bytes_and_start_symbols_are_read() -> None:
    sweeps = _measured(random_model(n_layer=1, vocab_size=257, block_size=CONTEXT), vocabulary=Bytes(started=True))
    assert sweeps["loss"].values.shape == (2, 8, 12)


def test_a_text_that_is_too_short_is_refused() -> None:
    with pytest.raises(NanoscopeError, match="too few for 4 windows of 40"):
        _measured(random_model(vocab_size=len(VOCABULARY), block_size=CONTEXT), Corpus("short", PLAY.text[:1200]))


# ---- figures and page ------------------------------------------------------------------------------------------------


def test_figures_are_readable(noise: Sweeps, table: Sweeps) -> None:
    for sweeps in (noise, table):
        result = _result(sweeps)
        for draw in EXPERIMENT.drawable(result).values():
            assert checklist(draw(result)) == dict.fromkeys(CHECKS, True)


def test_the_page_names_circuits_if_there_are_any(noise: Sweeps) -> None:
    mine = _result(noise)
    assert circuits_of(Study(None, (mine,)), mine) == ""
    tasks = {"task": ("induction", "word-end", "distance-3")}
    share = {"ranking": ("signed", "absolute"), "share": (0.1, 0.5, 1.0)}
    curves = [[[1.0, 4.8, 5.0], [2.0, 4.4, 5.0]], [[1.0, 2.0, 5.0], [1.0, 4.9, 5.0]], np.zeros((2, 3))]
    found = {
        "clear": Sweep(np.array([1.0, 1.0, 0.0]), ("task",), "done", tasks),
        "size": Sweep(
            np.array([[9, 8], [4, 4], [3, 2]]), ("task", "count"), "edges", tasks | {"count": ("asked", "connected")}
        ),
        "ends": Sweep(
            np.array([[1.0, 5.0], [1.0, 5.0], [0.0, 0.0]]),
            ("task", "end"),
            "logits",
            tasks | {"end": ("nothing", "model")},
        ),
        "circuit": Sweep(np.array([[3.0, 5.0], [1.0, 2.0], [0.0, 0.0]]), ("task", "example"), "logits", tasks),
        "curve": Sweep(np.array(curves)[..., None], ("task", "ranking", "share", "example"), "logits", tasks | share),
    }
    other = replace(mine, experiment="circuits", sweeps=found, findings=())
    assert circuits_of(Study(None, (mine, other)), mine) == "induction (8 edges, 75 %), word-end (none was found)"
    assert [suffices(found, name, "absolute") for name in ("induction", "word-end")] == [1.0, 0.5]
    older = replace(other, sweeps={})
    assert circuits_of(Study(None, (mine, older)), mine) == ""


# ---- along a training ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A small model, trained on random letters, of which there is nothing to learn but by heart; with its checkpoints."""
    recipe = Recipe(
        GPTConfig(n_layer=2, n_head=2, n_embd=64, block_size=CONTEXT),
        iterations=400,
        batch_size=16,
        learning_rate=3e-3,
        min_learning_rate=3e-3,
        weight_decay=0.0,
        dense_until=64,
        checkpoint_every=80,
        eval_every=400,
    )
    page = Corpus("one page", "".join(np.random.default_rng(0).choice(list("abcdefgh"), 1400)), cut=900)
    folder = tmp_path_factory.mktemp("learnt") / "run"
    return Subject(train(recipe, page, folder), page, "learnt", history=checkpoints(folder))


@pytest.fixture(scope="module")
def along(learnt: Subject) -> Sweeps:
    return EXPERIMENT.measure(learnt, replace(FEW, checkpoints=6, along_windows=12))


def test_a_model_that_learnt_its_text_by_heart_is_seen_to_overfit(learnt: Subject, along: Sweeps) -> None:
    """The planted answer: late in such a training the held-out loss has risen, the training loss is far below it."""
    steps = [int(step) for step in along["along_loss"].labels("step")]
    assert (len(steps), steps[0], steps[-1]) == (6, 0, 400)
    found = judge.overfitting(along)
    assert 0 < found.best < 400
    assert found.interval[0] > 0.05
    said = values(Study(None, (_result(along),)), _result(along))
    assert said["overfitting"] == found
    section_text = section(Study(None, (_result(along),)), "profile")
    assert f"nats above that of the best earlier checkpoint measured, iteration {found.best}" in " ".join(
        section_text.split()
    )


def test_one_that_still_learns_is_not(along: Sweeps) -> None:
    """The planted negative: losses that fall to the end, alike on both texts, in windows that differ far more."""
    sweep = along["along_loss"]
    hard, fall = np.random.default_rng(0).normal(2, 0.5, sweep.values.shape[-1]), np.linspace(2, 0.1, 6)
    found = judge.overfitting(
        {**along, "along_loss": replace(sweep, values=fall[:, None, None] + hard + np.zeros((6, 2, 1)))}
    )
    assert found.best == sweep.labels("step")[-2]
    assert found.interval[1] < 0


def test_what_is_measured_along_a_training_is_what_is_measured_of_the_checkpoint(
    learnt: Subject, along: Sweeps
) -> None:
    """The same numbers from the library's parts, one checkpoint at a time."""
    s = setting_of(learnt, replace(FEW, checkpoints=6, along_windows=12))
    for step in (0, 400):
        model = load(learnt.history[step]).model
        windows = s.windows[HELD_OUT]
        loss = position_loss.of_model(model, windows)[:, CONTEXT // 2 :].mean(1)
        np.testing.assert_allclose(along["along_loss"].sel(step=step, text=HELD_OUT).values, loss, rtol=1e-6)
        cost = effective_context.cost_of_cuts(model, windows, None, development.CUT_TOKENS).cost.sel(context=16)
        got = along["along_context"].sel(step=step, text=HELD_OUT, context=16).values
        np.testing.assert_allclose(got, cost.values, rtol=1e-6)
    assert along["along_parts"].values[0].shape[0] == 4


def test_checkpoints_are_spaced_by_the_logarithm() -> None:
    steps = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, *range(300, 5001, 100)]
    found = spaced(steps, 12, np.log1p)
    assert len(found) == 12
    assert (found[0], found[-1]) == (0, 5000)
    places, wanted = np.log1p(steps), np.linspace(0, np.log1p(5000), 12)
    assert np.abs(np.log1p(found) - wanted).max() <= np.diff(places).max() / 2
    assert spaced([0, 5, 9], 12, np.log1p) == (0, 5, 9)
    assert spaced(steps, 0, np.log1p) == ()


def test_without_checkpoints_nothing_is_told_of_the_training(noise: Sweeps) -> None:
    assert not any(name.startswith("along") for name in noise)
    assert values(Study(None, (_result(noise),)), _result(noise))["overfitting"] is None


def test_the_figure_of_a_training_is_readable(along: Sweeps) -> None:
    figure = EXPERIMENT.drawable(_result(along))["profile_training"](_result(along))
    assert checklist(figure) == dict.fromkeys(CHECKS, True)
