"""What the weights of a GPT are called: a table from names to roles.

A name such as `blocks.0.sa.heads.1.key.weight` is read as layer 0, head 1, the queries' or keys' map, its weight. Roles are
`embed`, `positions`, `norm_f` and `head` of the whole model; `norm_1`, `norm_2`, `q`, `k`, `v`, `qkv`, `kv`, `out`, `fc`,
`up`, `down` of a layer, and `gate`, which becomes `fc` (`fc` is the map that the activation is applied to).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

KINDS = {"weight": "weight", "bias": "bias", "w": "weight", "b": "bias", "gamma": "weight", "beta": "bias",
         "scale": "weight", "shift": "bias", "g": "weight", "w_ln": "weight", "b_ln": "bias"}  # fmt: skip
"""Last words of a name, and which of the two they are."""
JOINED = re.compile(r"^(.*proj)_(weight|bias)$")
"""`in_proj_weight` of torch's attention."""
NUMBERED = re.compile(r"^(?:h|l|blk|blocks?|layers?)_?(\d+)$")
"""A layer's number in a word, as in `layer0`."""

ATTENTION = re.compile(r"^(sa|mha|attn?|att|.*attn|.*attention|multi_?head.*)$")
MLP = re.compile(r"^(mlp|ff|ffn|ffw|ffwd|feed_?forward|.*mlp|.*ffn|.*ffwd?|.*feed_?forward|pos_ffn)$")
NORM = re.compile(r"(norm|^ln|_ln$|^.?ln\d?$)")
PREFIX = re.compile(r"^(attn|att|sa|mlp|ffn|ff)_(?=.)")

QUERY = "q|wq|w_q|b_q|q_?proj|query|queries|to_q|q_?lin(ear)?|w_query|query_(proj|layer)|linear_q|proj_q|queries_linear"
PROJECTIONS = {
    "qkv": "c_attn|qkv|w_?qkv|qkv_?proj|to_qkv|in_proj|query_key_value|qkv_(linear|layer)|c_qkv|proj_qkv",
    "kv": "kv|to_kv|kv_proj|w_?kv",
    "q": QUERY,
    "k": QUERY.replace("queries", "keys").replace("query", "key").replace("q", "k"),
    "v": QUERY.replace("queries", "values").replace("query", "value").replace("q", "v"),
}
OUT = (
    "c_proj|w_?o|b_o|o|o_?proj|out_?proj|proj|projection|to_out|out|output|dense|fc_out|fc_o|linear|fc|w_?out|proj_out|"
    "out_?linear|linear_out|output_proj(ection)?|unify_?heads|resid_proj|o_?lin(ear)?|proj_o|to_out_0"
)
MLP_ROLES = {
    "gate": "gate|gate_proj|w_?gate|wg|c_gate",
    "fc": "c_fc|fc|fc_?1|fc_?in|w_?1|lin(ear)?_?1|dense_?1|dense_h_to_4h|up|up_proj|in|w_?in|b_in|in_proj|input|layer_?1|"
    "proj_in|expand|l1|hidden|wi|lin_in|linear_in|c_up",
    "down": "c_proj|proj|fc_?2|fc_?out|w_?2|lin(ear)?_?2|dense_?2|dense_4h_to_h|down|down_proj|out|w_?out|b_out|out_proj|"
    "output|layer_?2|proj_out|contract|l2|wo|lin_out|linear_out|c_down|projection",
    "up": "w_?3|linear_?3|v_proj|w_?up|wv",
}
HEAD = re.compile(
    r"^(lm_?head|.*lm_head|unembed(ding)?|w_?u|b_u|(out_|output_)?head|to_logits|logits|fc_out|fc|out|output|output_layer|"
    r"output_proj(ection)?|out_proj|decoder|generator|proj|linear|vocab_proj|final(_linear|_layer|_proj)?|embed_out|"
    r"output_embeddings?|final_logits.*)$"
)
EMBED = re.compile(r"(wte|tok|word|emb|vocab|^w_?e$|char)")
POSITIONS = re.compile(r"(pos|^wpe$|^pe$)")

REFUSED = {
    "cross attention": r"cross_?att|multihead_attn|encoder_attn|encdec|enc_dec|src_att",
    "a classifier": r"^(.*\.)?(score|classifier|cls|pooler|qa_outputs|reward_head|value_head)\b",
    "norms of queries and keys": r"(^|[._])(q|k|qk|query|key)_?(ln|norm|layernorm)\b|(ln|norm)_(q|k)\b",
    "a norm of the embeddings": r"emb[a-z]*[._]?(layer_?)?(norm|ln)\b|(ln|norm)_(emb(ed(ding)?)?|pre)\b|layernorm_emb",
    "a mixture of experts": r"experts?\b|router|\bmoe",
    "relative positions": r"relative|rel_pos|rel_bias",
    "ALiBi": r"alibi|slopes",
    "low-rank changes (LoRA), not merged into its weights": r"lora_",
    "segment embeddings": r"token_type|segment",
    "learned scales of the residual stream (nanochat)": r"lambda|smear|value_embed|ve_gate",
}
"""What a name gives away and no field of a config can express."""


@dataclass(frozen=True)
class Place:
    """Where a weight belongs: its role, and its layer, head and kind (weight or bias)."""

    role: str
    kind: str
    layer: int | None = None
    head: int | None = None
    step: int | None = None
    """Its number in a list of modules, as in `net.2`."""


def refused(name: str) -> str | None:
    """What a weight's name gives away that cannot be read; None if nothing."""
    return next((what for what, pattern in REFUSED.items() if re.search(pattern, name.lower())), None)


def place(name: str) -> Place | None:
    """The place of a weight with this name; None if the table has none."""
    words = [word for part in JOINED.sub(r"\1.\2", name.lower()).split(".") if (word := part.lstrip("_"))]
    if not words:
        return None
    kind = KINDS.get(words[-1]) if len(words) > 1 else None
    path = words[:-1] if kind else words
    kind = kind or ("bias" if re.match(r"b_", words[-1]) else "weight")
    for at, word in enumerate(path):
        if number := re.fullmatch(r"\d+", word) or NUMBERED.match(word):
            return _in_layer(path[at + 1 :], kind, int(number[number.lastindex or 0]))
    role = _of_model(path)
    return Place(role, kind) if role else None


def _of_model(path: list[str]) -> str | None:
    """The role of a weight outside the layers; the last word counts most."""
    leaf, whole = path[-1], "_".join(path[-2:])
    if POSITIONS.search(leaf) or (POSITIONS.search(whole) and not NORM.search(leaf) and not HEAD.match(leaf)):
        return "positions"
    if NORM.search(leaf):
        return "norm_f"
    if HEAD.match(leaf):
        return "head"
    return "embed" if EMBED.search(leaf) or EMBED.search(whole) else None


def _in_layer(path: list[str], kind: str, layer: int) -> Place | None:
    head = next(
        (int(word) for before, word in itertools.pairwise(path) if before == "heads" and word.isdecimal()),
        None,
    )
    words = [word for word in path if not word.isdecimal()]
    step = int(path[-1]) if path and path[-1].isdecimal() else None
    role = _of_layer(words, step)
    return Place(role, kind, layer, head, step) if role else None


def _of_layer(words: list[str], step: int | None) -> str | None:
    """The role of a weight in a layer, by its last word and by the group (attention or MLP) that the words before name."""
    if not words:
        return None
    *before, leaf = words
    prefix = PREFIX.match(leaf)
    groups = [*before, *([prefix[1]] if prefix else []), *([leaf] if step is not None else [])]
    bare = PREFIX.sub("", leaf)
    in_mlp, in_attention = any(map(MLP.match, groups)), any(map(ATTENTION.match, groups))
    if NORM.search(leaf):
        return _norm(leaf, step, in_mlp, in_attention)
    tables = {} if in_mlp else PROJECTIONS | {"out": OUT if in_attention else "wo|w_o|o_proj|out_proj"}
    tables |= {} if in_attention else MLP_ROLES
    found = next((role for role, pattern in tables.items() if re.fullmatch(pattern, bare)), None)
    return "step" if found is None and step is not None and in_mlp else found


def _norm(leaf: str, step: int | None, in_mlp: bool, in_attention: bool) -> str | None:
    """Which of a block's norms it is."""
    number = re.search(r"\d+", leaf)
    index = int(number[0]) if number else step
    if re.search(r"post|ffn?|mlp|feed", leaf) or in_mlp:
        return "norm_2"
    if re.search(r"attn?|attention|input|sa", leaf) or in_attention:
        return "norm_1"
    return f"norm_{index}" if index in (0, 1, 2) else None
