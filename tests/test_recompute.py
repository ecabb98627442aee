"""The referee, `benchmarks/recompute.py`: it is independent, its measures give known answers, and it notices a wrong number."""

import ast
import json
import random
import sys
from pathlib import Path

import pytest
import torch

import nanoscope as ns
from nanoscope.text.corpora import Corpus

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
sys.path.append(str(BENCHMARKS))
import recompute
from referee import interventions, ngrams, on_copies, on_text, on_weights, regression
from referee.estimate import Estimate, Published, agrees, mean, ratio
from referee.gpt import GPT, open_model, run

MODEL = ROOT / "trained_models" / "shakespeare_char_model"


@pytest.fixture(scope="module")
def gpt() -> GPT:
    return open_model(MODEL)


def test_it_imports_nothing_of_nanoscope() -> None:
    files = [BENCHMARKS / "recompute.py", *(BENCHMARKS / "referee").glob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in named} >= {"torch", "safetensors", "referee"}
    assert not [name for name in named if name.startswith("nanoscope")]


def test_its_forward_pass_is_nanoscopes(gpt: GPT) -> None:
    checkpoint, tokens = ns.load(str(MODEL)), torch.arange(2 * 40).view(2, 40) % 65
    kept = ["pattern", "z", "mlp_out", "resid_post"]
    with torch.inference_mode():
        logits, cache = ns.run(checkpoint.model, tokens, keep=kept)
        ours = run(gpt, tokens)
        means = {(2, 1): torch.zeros(gpt.context, 64)}
        ablated, _ = ns.run(checkpoint.model, tokens, [ns.zero(ns.Site("z", 2, head=1))])
        without = run(gpt, tokens, means).logits
    torch.testing.assert_close(ours.logits, logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(without, ablated, atol=1e-4, rtol=1e-4)
    for layer in range(gpt.layers):
        theirs = [cache[name, layer] for name in kept]
        torch.testing.assert_close(ours.patterns[layer], theirs[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.mlps[layer], theirs[2], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.streams[layer + 1], theirs[3], atol=1e-4, rtol=1e-4)


def test_when_a_number_agrees() -> None:
    sampled, exact = Published(0.5, "a", 0.4, 0.6), Published(1.6681, "b", digits=4)
    assert agrees(sampled, Estimate(0.6))
    assert agrees(sampled, Estimate(0.619, 0.01))
    assert not agrees(sampled, Estimate(0.621, 0.01))
    assert not agrees(sampled, Estimate(0.39))
    assert agrees(exact, Estimate(1.66806))
    assert not agrees(exact, Estimate(1.6682))
    assert agrees(Published("L0H4", "c"), Estimate("L0H4"))
    assert not agrees(Published("L0H4", "c"), Estimate("L0H1"))


def test_the_error_of_a_mean_and_of_a_ratio() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(1))
    assert mean(values).error == pytest.approx(float(values.std()) / 20, rel=1e-5)
    assert ratio(3 * values.abs(), values.abs()).error == pytest.approx(0, abs=1e-6)


def test_tables_are_counted_as_by_hand_and_sum_to_one() -> None:
    text = torch.tensor([0, 1, 0, 1, 2, 0, 1, 0])
    context = torch.tensor([2, 2, 2, 2, 2, 0])
    asked = torch.stack([torch.cat([context, torch.tensor([symbol])]) for symbol in range(3)])
    chances = (-ngrams.table_losses(text, asked, 3)[..., 0]).exp()
    torch.testing.assert_close(chances.sum(1), torch.ones(7, dtype=torch.float64))
    single = [(4 + 3 / 3) / 11, (3 + 3 / 3) / 11, (1 + 3 / 3) / 11]
    after_0 = [(0 + 1 * single[0]) / 4, (3 + 1 * single[1]) / 4, (0 + 1 * single[2]) / 4]
    torch.testing.assert_close(chances[0], torch.tensor(single, dtype=torch.float64))
    torch.testing.assert_close(chances[1], torch.tensor(after_0, dtype=torch.float64))
    torch.testing.assert_close(chances[6], torch.tensor(_longer(after_0), dtype=torch.float64))


def _longer(after_0: list[float]) -> list[float]:
    """After 2, 0 came 1, once; no longer context of the question is in the text."""
    return [(seen + chance) / 2 for seen, chance in zip([0, 1, 0], after_0, strict=True)]


def test_scores_at_both_ends() -> None:
    length = 12
    back = torch.eye(length).roll(1, 0)
    back[0] = torch.eye(length)[0]
    uniform = torch.ones(length, length).tril() / torch.arange(1, length + 1).unsqueeze(1)
    patterns = [torch.stack([back, uniform])[None]]
    torch.testing.assert_close(on_text.previous_token(patterns), torch.tensor([[[1.0, 0.0]]]), atol=1e-6, rtol=0)
    named = torch.zeros(2, length, dtype=torch.bool)
    named[0, 2], named[1, 5] = True, True
    there = torch.zeros(2, length, length)
    there[0, :, 2], there[1, :, 5] = 1, 1
    assert ratio(*on_text.token_class(there, named)).value == pytest.approx(1)
    by_place = there[:1].expand(2, -1, -1)
    assert ratio(*on_text.token_class(by_place, named)).value < 0.01
    kl = torch.tensor([[[5.0], [0.05], [0.2], [0.01], [0.0]]])
    assert on_text.settled_depth(kl).item() == 3


def test_direct_contributions_sum_to_the_logit(gpt: GPT) -> None:
    tokens = torch.arange(2 * 30).view(2, 30) % 65
    with torch.inference_mode():
        ran = run(gpt, tokens)
        _, whole = on_text.direct(gpt, ran, tokens)
        logits = ran.logits.gather(-1, tokens[..., None])[..., 0] - ran.logits.mean(-1)
    torch.testing.assert_close(whole, logits, atol=1e-3, rtol=1e-3)


def test_the_small_matrix_has_the_eigenvalues_of_the_large_one(gpt: GPT) -> None:
    embedding, gain = gpt.weight("wte.weight").double(), gpt.weight("ln_1.weight", 3).double()
    embedding = (embedding - embedding.mean(1, keepdim=True)) * gain
    values = gpt.weight("attn.c_attn.weight", 3).double().chunk(3)[2][64:128]
    writes = gpt.weight("attn.c_proj.weight", 3).double()[:, 64:128]
    written = embedding @ values.T @ (writes - writes.mean(0)).T
    unembedding = gpt.weights["lm_head.weight"].double() * gpt.weight("ln_f.weight").double()
    eigenvalues = torch.linalg.eigvals(written @ (unembedding - unembedding.mean(0)).T)
    score = eigenvalues.real.sum() / eigenvalues.abs().sum()
    assert on_weights.copying(gpt)[3, 1].item() == pytest.approx(score.item(), abs=1e-6)


def test_areas_and_a_regression_that_finds_what_decides() -> None:
    label = torch.tensor([True, False, True, False])
    assert regression.auroc(torch.tensor([3.0, 1.0, 2.0, 2.0]), label).item() == pytest.approx(3.5 / 4)
    dice = torch.Generator().manual_seed(1)
    features = torch.randn(200, 50, 3, generator=dice)
    wrong = torch.rand(200, 50, generator=dice) < (2 * features[..., 1]).sigmoid()
    found = regression.told(features, wrong)
    assert abs(float(found.value) - regression.auroc(features[..., 1], wrong).item()) < 3 * found.error
    idle = regression.told(features[..., ::2], wrong)
    assert abs(float(idle.value) - 0.5) < 3 * idle.error


def test_texts_are_what_the_tasks_say() -> None:
    dice = torch.Generator().manual_seed(1)
    blocks = on_copies.drawn(torch.arange(30, 60), 5, 17, dice)
    assert all(len(block.unique()) == 17 for block in blocks)
    play = "".join(f"\n\nNAME {chr(65 + n % 20)}:\nan ordinary line of this play, with words" for n in range(60))
    examples = interventions.after_name(play, 40, random.Random(1))
    assert len(examples) == 40
    for clean, corrupt, wrong in examples:
        assert clean[-6:-1] == "NAME "
        assert corrupt[:-6] == clean[:-6]
        assert corrupt[-6:] + wrong in "an ordinary line of this play, with words"


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.txt"
    other.write_text("another text")
    for arguments, complaint in (
        ([tmp_path], "no checkpoint.json"),
        (["--label", "a model that is not there"], "says nothing of these weights"),
        (["--results", tmp_path], "no findings.json"),
        (["--data", other], "made on another text"),
        (["--data", tmp_path / "none.txt"], "no text at"),
    ):
        code = recompute.main([str(argument) for argument in arguments])
        printed, said = capsys.readouterr()
        assert (code, printed, said.count("\n")) == (2, "", 1)
        assert complaint in said


@pytest.mark.slow
def test_the_published_numbers_agree_and_a_false_one_does_not(
    tmp_path: Path, shakespeare: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    """One finding is moved by a twentieth: it is the only one that disagrees."""
    text = tmp_path / "text.txt"
    text.write_text(shakespeare.text)
    findings = json.loads((ROOT / "results" / "findings.json").read_text())
    for found in findings:
        if found["id"] == "heads.previous":
            found["value"], found["interval"] = found["value"] - 0.05, [end - 0.05 for end in found["interval"]]
    (tmp_path / "findings.json").write_text(json.dumps(findings))
    (tmp_path / "results").symlink_to(ROOT / "results" / "results")
    code = recompute.main(["--results", str(tmp_path), "--data", str(text)])
    printed, said = capsys.readouterr()
    lines = [line for line in printed.splitlines() if line.endswith((" yes", " NO"))]
    assert (code, said) == (1, "")
    assert len(lines) >= 18
    assert [line for line in lines if line.endswith(" NO")] == [line for line in lines if "its attention there" in line]
