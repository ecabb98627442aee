"""Other people's GPTs: an author's own module and ours give the same logits, and nothing is dropped or guessed in silence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import random_model, random_tokens
from lookalikes import (
    CONTEXT,
    HEADS,
    LAYERS,
    VOCAB,
    WIDTH,
    LookAlike,
    apart,
    by_head,
    lecture,
    llamas,
    microgpts,
    neox,
    torchs,
    transformers_library,
)

from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError

AUTHORS: dict[str, Callable[[], LookAlike]] = {
    one.__name__: one
    for one in (
        lecture.early, lecture.without_a_projection, lecture.final_norm_never_applied, apart.gamma_and_beta,
        apart.scaled_embedding, torchs.attention_with_biases, torchs.attention_without_biases, torchs.encoder_norm_first,
        torchs.encoder_post_norm, transformers_library.gpt2, transformers_library.gpt2_without_prefix,
        transformers_library.gpt_neo, by_head.hooked, by_head.folded, by_head.toy, llamas.llama2c, llamas.hf_llama,
        llamas.hf_llama_with_biases, microgpts.microgpt, neox.pythia,
    )
}  # fmt: skip


def saved(one: LookAlike, folder: Path) -> Path:
    torch.save(one.content, folder / "their.pt")
    return folder / "their.pt"


@pytest.mark.parametrize("name", AUTHORS)
def test_an_authors_module_and_ours_give_the_same_logits(tmp_path: Path, name: str):
    one = AUTHORS[name]()
    opened = load(saved(one, tmp_path), settings=one.settings)
    config = opened.model.config
    assert {key: getattr(config, key) for key in one.config} == one.config
    for words in one.notes:
        assert any(words in note for note in opened.notes), opened.notes
    tokens = torch.randint(VOCAB, (3, min(CONTEXT, config.block_size)), generator=torch.Generator().manual_seed(1))
    theirs = one.model(tokens)
    assert theirs.std() > 0.1
    torch.testing.assert_close(opened.model(tokens), theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


def refusal(path: Path, **given: Any) -> str:
    with pytest.raises(NanoscopeError) as caught:
        load(path, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_misnamed_weight_is_named_and_can_be_renamed(tmp_path: Path):
    one = apart.misnamed_norm()
    path = saved(one, tmp_path)
    line = refusal(path, settings=one.settings)
    assert "2 weights are without a known role ('in_f.bias', 'in_f.weight')" in line
    assert "--rename OLD=NEW" in line
    opened = load(path, settings=one.settings, rename={"in_f": "ln_f"})
    tokens = torch.randint(VOCAB, (3, CONTEXT))
    theirs = one.model(tokens)
    torch.testing.assert_close(opened.model(tokens), theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)
    assert load(path, settings=one.settings, rename={"in_f": "ln_f"}).sha256 == opened.sha256
    other = one.settings | {"activation": "relu"}
    assert load(path, settings=other, rename={"in_f": "ln_f"}).sha256 != opened.sha256


def test_what_no_file_says_is_asked_for_and_never_guessed(tmp_path: Path):
    one = lecture.early()
    path = saved(one, tmp_path)
    line = refusal(path)
    assert "activation (relu or gelu or silu or relu2)" in line
    assert "attention_scale (d_head or d_model or none)" in line
    assert line.endswith(f"try: nanoscope convert {path} --data your.txt")
    for name in one.settings:
        assert f"--set {name}=" in refusal(
            path, settings={key: one.settings[key] for key in one.settings if key != name}
        )


EXTRA = {
    "cross attention": "blocks.0.cross_attn.q_proj.weight",
    "norms of queries and keys": "blocks.0.sa.q_norm.weight",
    "a norm of the embeddings": "emb_norm.weight",
    "a mixture of experts": "blocks.1.ffwd.experts.0.weight",
    "low-rank changes (LoRA), not merged into its weights": "blocks.0.sa.proj.lora_A.weight",
    "relative positions": "blocks.0.sa.rel_pos.weight",
    "segment embeddings": "token_type_embeddings.weight",
    "a classifier": "classifier.weight",
}


@pytest.mark.parametrize("what", EXTRA)
def test_a_weight_of_what_no_config_expresses_is_refused_by_name(tmp_path: Path, what: str):
    one = lecture.early()
    torch.save(one.content | {EXTRA[what]: torch.ones(WIDTH, WIDTH)}, tmp_path / "their.pt")
    line = refusal(tmp_path / "their.pt", settings=one.settings)
    assert f"the weight {EXTRA[what]!r} is of {what}" in line


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("blocks.0.extra.weight", (WIDTH,), "1 weight is without a known role ('blocks.0.extra.weight')"),
        (
            "blocks.2.ln1.weight",
            (WIDTH,),
            "12 weights are missing (layer 2: down.bias, layer 2: down.weight, ",
        ),
        ("lm_head.weight", (7, WIDTH), "another output vocabulary or a classifier"),
        ("blocks.1.ffwd.net.0.weight", (9, 9), "fc.weight of layer 1 has the shape [9, 9]"),
        ("blocks.1.ln2.bias", (WIDTH + 1,), "norm_2.bias of layer 1 has the shape [25]"),
        ("position_embedding_table.weight", (5, 7), "its positions have the shape [5, 7]"),
        ("blocks.0.sa.heads.0.query.weight", (WIDTH // HEADS + 1, WIDTH), "of layer 0 has the shape"),
    ],
)
def test_nothing_is_dropped_and_nothing_made_up(tmp_path: Path, name: str, shape: tuple[int, ...], said: str):
    one = lecture.early()
    torch.save(one.content | {name: torch.ones(shape)}, tmp_path / "their.pt")
    assert said in refusal(tmp_path / "their.pt", settings=one.settings)


@pytest.mark.parametrize("name", sorted(lecture.early().content))
def test_a_missing_weight_is_noticed(tmp_path: Path, name: str):
    """But masks, and biases that may as well be zeros where every layer lacks them."""
    one = lecture.early()
    torch.save({key: value for key, value in one.content.items() if key != name}, tmp_path / "their.pt")
    if name.endswith(".tril"):
        assert load(tmp_path / "their.pt", settings=one.settings).model.config.n_head == HEADS
    elif name == "lm_head.bias":
        assert not load(tmp_path / "their.pt", settings=one.settings).model.config.head_bias
    elif name == "lm_head.weight":
        assert "head" in refusal(tmp_path / "their.pt", settings=one.settings)
    else:
        assert refusal(tmp_path / "their.pt", settings=one.settings)


@pytest.mark.parametrize(
    ("says", "refused"),
    [
        ({"n_layer": 3}, "model_args.n_layer says n_layer=3, but its weights have 2"),
        ({"d_model": 32}, "model_args.d_model says n_embd=32, but its weights have 24"),
        ({"activation": "mish"}, "model_args.activation='mish', which nanoscope cannot read"),
        ({"use_alibi": True}, "models with ALiBi cannot be read"),
        ({"final_logit_softcapping": 30.0}, "models with soft caps of logits cannot be read"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "scaled rotary positions cannot be read"),
        ({"n_experts": 8}, "models with a mixture of experts cannot be read"),
        ({"position_embedding_type": "alibi"}, "position_embedding_type='alibi'"),
        ({"position_embedding_type": "rotary"}, "contradicts itself"),
    ],
)
def test_what_a_file_says_and_cannot_be_done_is_refused(tmp_path: Path, says: dict[str, Any], refused: str):
    one = lecture.early()
    torch.save({"model": one.content, "model_args": says}, tmp_path / "their.pt")
    assert refused in refusal(tmp_path / "their.pt", settings=one.settings)


def test_what_a_file_says_wins_and_what_was_not_used_is_a_note(tmp_path: Path):
    one = lecture.early()
    says = {"nonlinearity": "GELU", "num_heads": HEADS, "learning_rate": 1e-3, "layer_dropout": 0.1, "residual_gate": 2,
            "use_alibi": False, "n_layers": LAYERS, "norm_first": True}  # fmt: skip
    torch.save({"model": one.content, "hparams": says}, tmp_path / "their.pt")
    left = {key: value for key, value in one.settings.items() if key not in ("activation", "norm_position")}
    opened = load(tmp_path / "their.pt", settings=left)
    assert opened.model.config.activation == "gelu"
    assert [note for note in opened.notes if "not used" in note] == [
        "hparams.residual_gate=2 looks like architecture and was not used"
    ]
    where = {reading.field: reading.where for reading in opened.read_from}
    assert where["activation"] == "hparams.nonlinearity"
    assert (where["n_head"], where["attention_scale"], where["norm_eps"]) == ("shape", "--set", "assumed")
    line = refusal(tmp_path / "their.pt", settings=one.settings)
    assert "says activation='gelu' (hparams.nonlinearity), not 'relu'; leave --set activation out" in line


def test_settings_that_are_none_are_refused(tmp_path: Path):
    path = saved(lecture.early(), tmp_path)
    assert "there is no setting 'activaton'" in refusal(path, settings={"activaton": "relu"})
    assert "--set activation='tanh', which nanoscope cannot read; it knows gelu" in refusal(
        path, settings={"activation": "tanh"}
    )
    assert "--set n_head='four' is no int" in refusal(path, settings={"n_head": "four"})


@pytest.mark.parametrize(
    ("says", "computed"), [({"activation": "relu"}, "relu"), ({"act_fn": "gelu_new"}, "gelu_tanh")]
)
def test_a_nanogpt_that_says_its_activation_is_read_so(tmp_path: Path, says: dict[str, str], computed: str):
    """With nanoGPT's own names too, where every self-check would hold with the wrong one."""
    model = random_model(activation=computed)
    args = {"n_head": 2, "bias": False, "n_layer": 3} | says
    torch.save({"model": model.state_dict(), "model_args": args}, tmp_path / "ckpt.pt")
    opened = load(tmp_path / "ckpt.pt")
    assert opened.model.config == model.config
    [key] = says
    assert f"model_args.{key} says activation={computed}, unlike nanoGPT" in opened.notes
    tokens = random_tokens(model)
    assert torch.equal(opened.model(tokens), model(tokens))


def test_a_nanogpt_that_computes_something_else_is_refused(tmp_path: Path):
    model = random_model()
    torch.save(
        {"model": model.state_dict(), "model_args": {"n_head": 2, "bias": False, "qk_norm": True}}, tmp_path / "ckpt.pt"
    )
    assert "models with norms of queries and keys cannot be read" in refusal(tmp_path / "ckpt.pt")
