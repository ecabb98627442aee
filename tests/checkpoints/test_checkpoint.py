import json
import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import random_model, random_tokens
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint, load, packed, save
from nanoscope.checkpoints.exports import export
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta
from nanoscope.training.evaluate import consecutive_windows, evaluate
from nanoscope.training.release import PART_BYTES

SLM = Path(__file__).parents[2] / "../shared/data/slm4096"
LAYERS, WIDTH, CONTEXT = 2, 12, 10
TEXT = "".join(map(chr, range(32, 32 + 65)))
MODEL_ARGS = {"n_layer": LAYERS, "n_head": 3, "n_embd": WIDTH, "block_size": CONTEXT, "dropout": 0.25}


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def weights_of(model: GPT) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same_weights(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Bit for bit, under the same names."""
    assert sorted(one) == sorted(other)
    for name in one:
        assert one[name].dtype == other[name].dtype == torch.float32
        assert torch.equal(one[name].view(torch.int32), other[name].view(torch.int32)), name


def make_checkpoint(**changes: Any) -> Checkpoint:
    """A checkpoint whose every weight is random, tiny, huge or a signed zero, and which knows where it comes from."""
    torch.manual_seed(1)
    shape: dict[str, Any] = {"n_layer": LAYERS, "n_head": 3, "n_embd": WIDTH, "block_size": CONTEXT}
    model = GPT(GPTConfig(**(shape | changes))).requires_grad_(False).eval()
    for parameter in model.parameters():
        parameter.normal_()
        parameter.view(-1)[:4] = torch.tensor([-0.0, 1e-45, -3e38, 1 + 2**-23])
    training = {"step": 7, "val_loss": 1.25, "betas": [0.9, 0.99], "data": "text", "nested": {"a": None}}
    return Checkpoint(model, Vocabulary.of(TEXT), "a text", training)


def nanogpt_state(bias: bool, vocab: int = 65) -> dict[str, Tensor]:
    """A state dict with nanoGPT's names and shapes, written down by hand; the head is the embedding."""
    torch.manual_seed(2)
    wte = torch.randn(vocab, WIDTH)
    state = {"transformer.wte.weight": wte, "transformer.wpe.weight": torch.randn(CONTEXT, WIDTH)}
    for layer in range(LAYERS):
        shapes = {
            "ln_1": (WIDTH,),
            "attn.c_attn": (3 * WIDTH, WIDTH),
            "attn.c_proj": (WIDTH, WIDTH),
            "ln_2": (WIDTH,),
            "mlp.c_fc": (4 * WIDTH, WIDTH),
            "mlp.c_proj": (WIDTH, 4 * WIDTH),
        }
        for name, shape in shapes.items():
            state[f"transformer.h.{layer}.{name}.weight"] = torch.randn(shape)
            if bias:
                state[f"transformer.h.{layer}.{name}.bias"] = torch.randn(shape[0])
    state["transformer.ln_f.weight"] = torch.randn(WIDTH)
    if bias:
        state["transformer.ln_f.bias"] = torch.randn(WIDTH)
    return state | {"lm_head.weight": wte}


def nanogpt_file(folder: Path, state: Mapping[str, Any], **others: Any) -> Path:
    """A `ckpt.pt` as nanoGPT's train.py saves it, optimizer and all."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    content = {
        "model": dict(state),
        "optimizer": optimizer.state_dict(),
        "model_args": MODEL_ARGS | {"bias": False, "vocab_size": 65},
        "iter_num": 250,
        "best_val_loss": torch.tensor(1.5),
        "config": {"dataset": "shakespeare_char", "learning_rate": 1e-3, "compile": True, "wandb_run_name": "gpt2"},
    }
    torch.save(content | others, folder / "ckpt.pt")
    return folder / "ckpt.pt"


def refusal(call: Any, *arguments: Any) -> str:
    """The one line with which something is refused."""
    with pytest.raises(NanoscopeError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- our own format ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bias": True, "dropout": 0.1},
        {"tied_head": False, "head_bias": True, "bias": True},
        {"attention_only": True, "activation": "relu", "attention_scale": "d_model"},
        {"norm": "rms", "norm_eps": 1e-6},
        {"norm": "none", "final_norm": False},
    ],
)
def test_our_own_format_goes_there_and_back(tmp_path: Path, changes: dict[str, Any]):
    checkpoint = make_checkpoint(**changes)
    saved = save(checkpoint, tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    assert_same_weights(weights_of(loaded.model), weights_of(checkpoint.model))
    assert loaded.model.config == checkpoint.model.config
    assert (loaded.vocabulary, loaded.corpus) == (checkpoint.vocabulary, "a text")
    assert (loaded.training, loaded.notes) == (checkpoint.training, ())
    assert loaded.sha256 == saved.sha256
    assert (loaded.model.wte.weight is loaded.model.lm_head.weight) == checkpoint.model.config.tied_head
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert not loaded.model.training


@pytest.mark.parametrize("changes", [{"n_inner": 20}, {"positions": "none"}, {"positions": "sinusoid"}])
def test_fields_that_came_later_are_stored_only_where_they_are_set(tmp_path: Path, changes: dict[str, Any]):
    plain, other = save(make_checkpoint(), tmp_path / "plain"), save(make_checkpoint(**changes), tmp_path / "other")
    stored = [json.loads((tmp_path / name / "checkpoint.json").read_text())["config"] for name in ("plain", "other")]
    assert stored[1] == stored[0] | changes
    assert not stored[0].keys() & changes.keys()
    assert plain.sha256 != other.sha256
    loaded = load(tmp_path / "other")
    assert loaded.model.config == other.model.config
    assert_same_weights(weights_of(loaded.model), weights_of(other.model))
    assert torch.equal(loaded.model.wpe.weight, other.model.wpe.weight)


def test_a_checkpoint_prints_what_it_is():
    model = random_model()
    trained = Checkpoint(
        model, Vocabulary(tuple("abcdefghijklm")), "words", {"step": 300, "val_loss": 1.23456, "betas": [0.9]}
    )
    shape = f"3 layers x 2 heads, width 16, context 24, {model.parameter_count:,} parameters"
    assert repr(trained) == f"Checkpoint({shape}, 13 symbols, trained on words, step 300, validation loss 1.235)"
    assert repr(Checkpoint(model)) == f"Checkpoint({shape}, no vocabulary)"
    with pytest.raises(NanoscopeError, match=r"one text, \[pos\], not \[1, 2\]"):
        trained.decode(torch.zeros(1, 2, dtype=torch.long))


def test_the_released_model_keeps_its_checksum():
    """Written anew it is the same file, byte for byte, though the config has more fields than when it was released."""
    folder = Path(__file__).parents[2] / "trained_models" / "shakespeare-cpu-1"
    if not folder.exists():
        pytest.skip("no model is released yet")
    files, sha256 = packed(load(folder), half=True, part_bytes=PART_BYTES)
    assert sha256 == load(folder).sha256
    assert all((folder / name).read_bytes() == data for name, data in files.items())


def test_the_checksum_tells_apart_what_differs_in_anything(tmp_path: Path):
    plain = make_checkpoint()
    other_weights = make_checkpoint()
    with torch.no_grad():
        other_weights.model.wpe.weight[-1, -1] += 1
    others = [
        other_weights,
        make_checkpoint(dropout=0.1),
        Checkpoint(plain.model, plain.vocabulary, "another", plain.training),
        Checkpoint(plain.model, None, "a text", plain.training),
        Checkpoint(plain.model, plain.vocabulary, "a text", {"step": 8}),
    ]
    sums = [save(checkpoint, tmp_path / str(i)).sha256 for i, checkpoint in enumerate([plain, *others])]
    assert len(set(sums)) == len(sums)
    assert save(make_checkpoint(), tmp_path / "again").sha256 == sums[0]


def test_saving_onto_another_checkpoint_is_refused_and_onto_itself_changes_nothing(tmp_path: Path):
    first = save(make_checkpoint(), tmp_path / "saved")
    assert save(make_checkpoint(), tmp_path / "saved").sha256 == first.sha256
    assert "holds another checkpoint" in refusal(save, make_checkpoint(bias=True), tmp_path / "saved")
    assert load(tmp_path / "saved").sha256 == first.sha256


def test_settings_with_numbers_as_keys_can_be_opened_again(tmp_path: Path):
    """JSON makes text of such keys, and sorts 10 before 9 then."""
    path = nanogpt_file(tmp_path, nanogpt_state(False), config={"schedule": {9: 0.1, 10: 0.2}, "shape": (1, 2)})
    save(load(path), tmp_path / "saved")
    assert load(tmp_path / "saved").training == {"schedule": {"9": 0.1, "10": 0.2}, "shape": [1, 2], "step": 250}


@pytest.mark.parametrize("place", [0.0, 0.001, 0.5, 1.0])
def test_one_changed_byte_in_the_weights_is_seen(tmp_path: Path, place: float):
    save(make_checkpoint(), tmp_path / "saved")
    path = tmp_path / "saved" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    assert "checksum differs" in refusal(load, tmp_path / "saved")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_weights_cut_short_are_seen(tmp_path: Path, keep: float):
    save(make_checkpoint(), tmp_path / "saved")
    path = tmp_path / "saved" / "model.safetensors"
    os.truncate(path, int(keep * path.stat().st_size))
    assert "checksum differs" in refusal(load, tmp_path / "saved")


@pytest.mark.parametrize(("old", "new"), [('"n_head": 3', '"n_head": 2'), ('"start": null', '"start": 0')])
def test_a_changed_description_is_seen(tmp_path: Path, old: str, new: str):
    save(make_checkpoint(), tmp_path / "saved")
    path = tmp_path / "saved" / "checkpoint.json"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    assert "checksum differs" in refusal(load, tmp_path / "saved")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read"),
        ('{"format": 1, "config":', "cannot be read"),
        ("{}", "does not have format 1"),
        ("[]", "does not have format 1"),
        ('{"format": 2}', "does not have format 1"),
        ('{"format": 1}', "checksum differs"),
    ],
)
def test_a_description_that_is_none_is_refused(tmp_path: Path, content: str, said: str):
    save(make_checkpoint(), tmp_path / "saved")
    (tmp_path / "saved" / "checkpoint.json").write_text(content)
    assert said in refusal(load, tmp_path / "saved")


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str):
    save(make_checkpoint(), tmp_path / "saved")
    (tmp_path / "saved" / name).unlink()
    assert f"{name} is missing" in refusal(load, tmp_path / "saved")


# ---- from ours to nanoGPT's and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_export_goes_there_and_back_bit_for_bit(tmp_path: Path, bias: bool):
    checkpoint = make_checkpoint(bias=bias, dropout=0.25)
    save(checkpoint, tmp_path / "saved")
    export(load(tmp_path / "saved"), tmp_path / "exported" / "ckpt.pt")
    loaded = load(tmp_path / "exported")
    assert_same_weights(weights_of(loaded.model), weights_of(checkpoint.model))
    assert loaded.model.config == checkpoint.model.config
    assert (loaded.vocabulary, loaded.corpus) == (checkpoint.vocabulary, "a text")
    assert loaded.training == checkpoint.training
    assert loaded.notes == ()


@pytest.mark.parametrize("positions", ["none", "sinusoid"])
def test_fixed_positions_are_exported_as_a_table_that_computes_the_same(tmp_path: Path, positions: str):
    model = random_model(positions=positions)
    export(Checkpoint(model), tmp_path / "ckpt.pt")
    opened = load(tmp_path / "ckpt.pt").model
    assert opened.config == replace(model.config, positions="learned")
    tokens = random_tokens(model)
    assert torch.equal(opened(tokens), model(tokens))


def test_a_nanogpt_with_another_width_of_mlp_opens(tmp_path: Path):
    model = random_model(n_inner=40)
    args = {"n_head": 2, "bias": False}
    torch.save({"model": model.state_dict(), "model_args": args}, tmp_path / "ckpt.pt")
    opened = load(tmp_path / "ckpt.pt").model
    assert opened.config == model.config
    assert torch.equal(opened(random_tokens(model)), model(random_tokens(model)))


@pytest.mark.parametrize("bias", [False, True])
def test_an_exported_file_has_what_nanogpt_reads(tmp_path: Path, bias: bool):
    """The keys that its train.py and sample.py take from a checkpoint, and its own parameter names."""
    checkpoint = make_checkpoint(bias=bias)
    export(checkpoint, tmp_path / "ckpt.pt")
    content = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    shape = {"n_layer": LAYERS, "n_head": 3, "n_embd": WIDTH, "block_size": CONTEXT, "vocab_size": 65}
    assert content["model_args"] == shape | {"bias": bias, "dropout": 0.0}
    assert {name: value.shape for name, value in content["model"].items()} == {
        name: value.shape for name, value in nanogpt_state(bias).items()
    }
    assert (content["iter_num"], content["best_val_loss"], content["config"]["dataset"]) == (7, 1.25, "a text")
    meta = pickle.loads((tmp_path / "meta.pkl").read_bytes())
    assert (meta["vocab_size"], meta["itos"][64], meta["stoi"][TEXT[64]]) == (65, TEXT[64], 64)


def test_without_a_corpus_the_exported_file_names_none(tmp_path: Path):
    """nanoGPT's sample.py joins `config["dataset"]` to a path wherever there is one."""
    export(Checkpoint(make_checkpoint().model), tmp_path / "ckpt.pt")
    assert "dataset" not in torch.load(tmp_path / "ckpt.pt", weights_only=True)["config"]
    assert not (tmp_path / "meta.pkl").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"tied_head": False},
        {"activation": "gelu_tanh"},
        {"attention_only": True},
        {"head_bias": True},
        {"attention_scale": "d_model"},
        {"norm": "rms"},
        {"final_norm": False},
        {"norm_eps": 1e-6},
    ],
)
def test_what_nanogpt_cannot_express_is_not_exported(tmp_path: Path, changes: dict[str, Any]):
    [(name, value)] = changes.items()
    line = refusal(export, make_checkpoint(**changes), tmp_path / "ckpt.pt")
    assert f"nanoGPT has no {name}={value!r}" in line
    assert list(tmp_path.iterdir()) == []


# ---- nanoGPT's own files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "_orig_mod.module.", "module._orig_mod."])
def test_a_nanogpt_checkpoint_opens_with_its_very_weights(tmp_path: Path, prefix: str, bias: bool):
    state = nanogpt_state(bias)
    (tmp_path / "meta.pkl").write_bytes(write_meta(Vocabulary.of(TEXT)))
    loaded = load(nanogpt_file(tmp_path, {prefix + name: value for name, value in state.items()}))
    assert_same_weights(weights_of(loaded.model), state)
    assert asdict(loaded.model.config) == asdict(GPTConfig(**MODEL_ARGS, vocab_size=65, bias=bias))
    assert loaded.vocabulary == Vocabulary.of(TEXT)
    assert loaded.corpus == "shakespeare_char"
    assert loaded.training == {"learning_rate": 1e-3, "compile": True, "wandb_run_name": "gpt2", "step": 250}
    assert loaded.notes == ()
    assert load(tmp_path).sha256 == loaded.sha256, "the folder that holds ckpt.pt is as good as the file"


@pytest.mark.parametrize("bias", [False, True])
def test_mask_buffers_of_old_checkpoints_are_no_weights(tmp_path: Path, bias: bool):
    state = nanogpt_state(bias)
    buffers = {}
    for layer in range(LAYERS):
        mask = torch.ones(1, 1, CONTEXT, CONTEXT).tril()
        buffers |= {f"transformer.h.{layer}.attn.bias": mask, f"transformer.h.{layer}.attn.mask": mask.bool()}
        buffers[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    assert_same_weights(weights_of(load(nanogpt_file(tmp_path, state | buffers)).model), state)


def test_padding_rows_of_the_vocabulary_are_kept_and_said(tmp_path: Path):
    state = nanogpt_state(False, vocab=80)
    (tmp_path / "meta.pkl").write_bytes(write_meta(Vocabulary.of(TEXT)))
    loaded = load(nanogpt_file(tmp_path, state))
    assert_same_weights(weights_of(loaded.model), state)
    assert loaded.model.config.vocab_size == 80
    assert loaded.notes == ("15 rows of the embedding are padding",)
    assert loaded.vocabulary is not None
    assert loaded.vocabulary.decode([0, 64, 65, 79]) == TEXT[0] + TEXT[64] + "\ufffd\ufffd"


def test_without_a_vocabulary_a_checkpoint_opens_and_says_so(tmp_path: Path):
    loaded = load(nanogpt_file(tmp_path, nanogpt_state(False)))
    assert loaded.vocabulary is None
    assert loaded.notes == ("it came without a vocabulary: text can be neither read nor printed",)
    assert "meta.pkl" in refusal(loaded.encode, "text")


def test_the_vocabulary_of_another_model_is_refused(tmp_path: Path):
    (tmp_path / "meta.pkl").write_bytes(write_meta(Vocabulary.of(TEXT)))
    assert "65 symbols but the model 64" in refusal(load, nanogpt_file(tmp_path, nanogpt_state(False, vocab=64)))


def test_a_malicious_meta_file_beside_a_checkpoint_is_refused_and_does_not_run(tmp_path: Path):
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps({"itos": Payload(tmp_path / "made")}))
    assert "mkdir" in refusal(load, nanogpt_file(tmp_path, nanogpt_state(False)))
    assert not (tmp_path / "made").exists()


def test_an_untied_head_is_opened_and_said(tmp_path: Path):
    state = nanogpt_state(True) | {"lm_head.weight": torch.randn(65, WIDTH), "lm_head.bias": torch.randn(65)}
    loaded = load(nanogpt_file(tmp_path, state))
    assert_same_weights(weights_of(loaded.model), state)
    assert not loaded.model.config.tied_head
    assert loaded.notes[:2] == ("the unembedding is not the embedding (untied head)", "its head has a bias")


@pytest.mark.parametrize(
    ("absent", "note"),
    [("transformer.ln_f.", "it has no final norm"), (r"(mlp|ln_2)\.", "it has no MLPs")],
)
def test_a_model_without_a_part_is_opened_and_said(tmp_path: Path, absent: str, note: str):
    state = {name: value for name, value in nanogpt_state(False).items() if not re.search(absent, name)}
    loaded = load(nanogpt_file(tmp_path, state))
    assert_same_weights(weights_of(loaded.model), state)
    assert note in loaded.notes


def test_the_number_of_heads_cannot_be_guessed(tmp_path: Path):
    args = {name: value for name, value in MODEL_ARGS.items() if name != "n_head"}
    assert "model_args.n_head" in refusal(load, nanogpt_file(tmp_path, nanogpt_state(False), model_args=args))
    torch.save(nanogpt_state(False), tmp_path / "ckpt.pt")
    assert "model_args.n_head" in refusal(load, tmp_path / "ckpt.pt")


@pytest.mark.parametrize("heads", [5, -3])
def test_a_number_of_heads_that_does_not_fit_is_refused(tmp_path: Path, heads: int):
    path = nanogpt_file(tmp_path, nanogpt_state(False), model_args=MODEL_ARGS | {"n_head": heads})
    assert "n_head" in refusal(load, path)


FULL = nanogpt_state(True)


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"lm_head.weight"}))
def test_a_missing_weight_is_refused(tmp_path: Path, name: str):
    """Every one of them; a missing embedding is no nanoGPT at all, and a head may be missing where it is tied."""
    line = refusal(load, nanogpt_file(tmp_path, {key: value for key, value in FULL.items() if key != name}))
    assert name in line


IN_ANY_ORDER = """
import sys, torch
from pathlib import Path
from nanoscope.interventions.run import run
from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.model.config import GPTConfig
model = GPT(GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=4, vocab_size=3))
calls = [lambda path=path: load(Path(path)) for path in sys.argv[1:]]
names = ["one", "two", "three", "four", "five"]
calls += [lambda: run(model, torch.zeros(1, 2, dtype=torch.long), keep=[*names, ("six", 0), ("seven", 0)])]
for call in calls:
    try:
        call()
    except NanoscopeError as error:
        print(error)
"""


def test_a_refusal_names_the_same_thing_whatever_the_order_of_sets(tmp_path: Path):
    """Several things are wrong at once; which one is named must not depend on how Python hashes strings today."""
    (tmp_path / "few").mkdir()
    (tmp_path / "more").mkdir()
    gone = [key for key in FULL if key.endswith("c_proj.weight")]
    few = nanogpt_file(tmp_path / "few", {key: value for key, value in FULL.items() if key not in gone})
    extra = {f"transformer.{name}.weight": torch.zeros(2) for name in ("one", "two", "three", "four", "five")}
    more = nanogpt_file(tmp_path / "more", FULL | extra)
    said = set()
    for seed in range(4):
        command = [sys.executable, "-c", IN_ANY_ORDER, str(few), str(more)]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        said.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    (lines,) = said
    missing, unknown, activation = lines.splitlines()
    assert "is missing" in missing
    assert "'transformer.five.weight' does not belong" in unknown
    assert "'five'" in activation


def test_a_head_that_is_missing_is_the_embedding(tmp_path: Path):
    path = nanogpt_file(tmp_path, {key: value for key, value in FULL.items() if key != "lm_head.weight"})
    assert_same_weights(weights_of(load(path).model), FULL)


@pytest.mark.parametrize(
    "name", ["transformer.h.0.attn.extra.weight", "transformer.h.5.ln_1.weight", "transformer.h.x.y", "a\nb"]
)
def test_a_weight_without_a_place_is_refused(tmp_path: Path, name: str):
    assert "cannot be loaded" in refusal(load, nanogpt_file(tmp_path, FULL | {name: torch.ones(WIDTH)}))


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"transformer.wpe.weight"}))
def test_a_weight_of_a_wrong_shape_is_refused(tmp_path: Path, name: str):
    """One column less; a shorter position table is simply a shorter context."""
    refusal(load, nanogpt_file(tmp_path, FULL | {name: FULL[name][..., :-1]}))


@pytest.mark.parametrize("name", ["transformer.wte.weight", "transformer.wpe.weight", "transformer.ln_f.weight"])
def test_a_weight_without_axes_is_refused(tmp_path: Path, name: str):
    assert name in refusal(load, nanogpt_file(tmp_path, FULL | {name: torch.tensor(1.0)}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["transformer.wte.weight", "transformer.h.1.mlp.c_proj.bias"])
def test_broken_weights_are_refused_in_both_formats(tmp_path: Path, name: str, value: float):
    checkpoint = make_checkpoint(bias=True)
    checkpoint.model.state_dict()[name].view(-1)[-1] = value
    save(checkpoint, tmp_path / "saved")
    export(checkpoint, tmp_path / "exported" / "ckpt.pt")
    for path in (tmp_path / "saved", tmp_path / "exported"):
        line = refusal(load, path)
        assert "contains NaN or infinity" in line
        assert name in line or name == "transformer.wte.weight"


# ---- files that are no checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["zip", "legacy"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_malicious_checkpoint_is_refused_and_does_not_run(tmp_path: Path, format: str):
    path, folder = tmp_path / "ckpt.pt", tmp_path / "made by the payload"
    content = {"model": nanogpt_state(False), "model_args": MODEL_ARGS, "config": Payload(folder)}
    torch.save(content, path, _use_new_zipfile_serialization=format == "zip")
    line = refusal(load, path)
    assert f"{os.mkdir.__module__}.mkdir" in line
    assert "weights_only" not in line, "torch's advice to open it anyway must not be passed on"
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists(), "the payload would not have run anyway"


def test_a_malicious_bare_pickle_is_refused_and_does_not_run(tmp_path: Path):
    content = pickle.dumps({"model": Payload(tmp_path / "made")})
    (tmp_path / "ckpt.pt").write_bytes(content)
    refusal(load, tmp_path / "ckpt.pt")
    assert not (tmp_path / "made").exists()
    pickle.loads(content)
    assert (tmp_path / "made").exists(), "the payload would not have run anyway"


def test_a_checkpoint_cut_anywhere_is_refused(tmp_path: Path):
    path = nanogpt_file(tmp_path, nanogpt_state(False))
    content = path.read_bytes()
    for length in [*range(12), *range(12, len(content), 997), len(content) - 1]:
        path.write_bytes(content[:length])
        said = "is not a readable PyTorch checkpoint" if length else "is empty; copy it again"
        assert said in refusal(load, path), length


def test_random_bytes_are_refused(tmp_path: Path):
    source, path = random.Random(0), tmp_path / "ckpt.pt"
    for _ in range(300):
        path.write_bytes(source.randbytes(source.choice([1, 2, 5, 50, 500])))
        refusal(load, path)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_checkpoints_open_or_are_refused_in_one_line(tmp_path: Path, zipped: bool):
    """Single bytes changed, mostly in the pickle at the beginning: no third outcome."""
    source, path = random.Random(1), tmp_path / "ckpt.pt"
    torch.save({"model": nanogpt_state(False), "model_args": MODEL_ARGS}, path, _use_new_zipfile_serialization=zipped)
    content, refused = path.read_bytes(), list[str]()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[source.randrange(min(len(content), source.choice([2000, len(content)])))] = source.randrange(256)
        path.write_bytes(damaged)
        try:
            load(path)
        except NanoscopeError as error:
            refused.append(str(error))
    assert len(refused) > 30
    assert not any("\n" in line for line in refused)


@pytest.mark.parametrize(
    "content",
    [None, 3, [], {}, {"model": {}}, {"model": {"a": 1}}, {"model": {"weight": torch.ones(2)}}, torch.ones(3)],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "ckpt.pt")
    refusal(load, tmp_path / "ckpt.pt")


def test_paths_without_a_checkpoint_are_refused(tmp_path: Path):
    assert "there is no checkpoint at" in refusal(load, tmp_path / "missing")
    assert "checkpoint.json is missing" in refusal(load, tmp_path)
    assert "there is no checkpoint at" in refusal(load, tmp_path / ("a" * 300))


# ---- a real one ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SLM.exists(), reason="no ../shared/data/slm4096")
def test_a_real_checkpoint_with_renamed_parameters_opens_and_predicts_its_own_text(tmp_path: Path):
    """Cross-entropy over its own text in consecutive 128-windows, as its card in ../shared/data/README.md states it."""
    loaded = load(SLM / "ckpt.pt")
    assert any("renamed" in note for note in loaded.notes)
    assert loaded.model.config == GPTConfig(4, 4, 64, 128, 54, dropout=0.1, bias=True)
    text = (SLM / "corpus.txt").read_text()
    assert loaded.vocabulary == Vocabulary.of(text)
    tokens = loaded.encode(text)
    assert round(evaluate(loaded.model, consecutive_windows(tokens, 128)), 4) == 0.0698
    save(loaded, tmp_path / "saved")
    export(load(tmp_path / "saved"), tmp_path / "ckpt.pt")
    again = load(tmp_path / "ckpt.pt")
    assert_same_weights(weights_of(again.model), weights_of(loaded.model))
    assert (again.vocabulary, again.notes) == (loaded.vocabulary, ())
    stored = torch.load(SLM / "ckpt.pt", weights_only=True)["model_state"]
    assert torch.equal(again.model.blocks[3].attn.c_attn.weight, stored["blocks.3.attn.c_attn.weight"])
    assert json.loads((tmp_path / "saved" / "checkpoint.json").read_text())["config"]["n_head"] == 4
