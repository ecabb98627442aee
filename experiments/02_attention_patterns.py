# %% [markdown]
# # 02 · What each head does
#
# Every attention head is scored in every class of attention (fixed places, and keys that the text names), beyond what chance
# and its own positions would give, and called by the class that explains most of it, if that is sure and large enough. This
# notebook reads the published study (`results/`).

# %%
# %matplotlib inline
from pathlib import Path

import nanoscope as ns
from nanoscope.analysis.attention import character_tables, classes
from nanoscope.experiments.heads import figures as heads
from nanoscope.model.folded import fold
from nanoscope.report import read_study
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.windows import spread_starts, windows_at

study = read_study("../results")
model, control = (study.result(label, "heads") for label in study.shown[:2])
for finding in model.findings:
    verdict = "withdrawn" if finding.withdrawn else finding.verdict if finding.kind == "measurement" else finding.kind
    print(f"{verdict:24} {finding.claim}")

# %% [markdown]
# ## Can the categoriser be trusted?
#
# Heads whose class is known, planted at several strengths, through the same code: how many get their own name.

# %%
display(heads.planted(model))

# %% [markdown]
# ## All heads of the model
#
# First their attention on one passage, then their scores on text that the classes were not chosen on.

# %%
display(heads.grid(model), heads.taxonomy(model))

# %% [markdown]
# ## Single heads, and what is lost without them

# %%
display(heads.cards(model), heads.ablation(model))

# %% [markdown]
# ## The control
#
# Trained where only copying pays, it has a previous-token head in its first layer, induction heads in its second, and the
# strongest composition through keys between the two.

# %%
display(heads.taxonomy(control), heads.composition(control))

# %% [markdown]
# ## By hand
#
# The same scores in a few lines, and one head's OV table: which characters it raises after attending to which.

# %%
checkpoint = ns.load(Path("../trained_models/shakespeare_char_model"))
val = tokenized(ns.open_corpus().val, checkpoint.vocabulary)
windows = windows_at(val.tokens, spread_starts(len(val), 128, 32), 128)
targets = classes.token_targets(val, windows)
found = classes.scores(classes.attention(checkpoint.model, windows.tokens, targets))
classes.mean_of_present(found.values)[classes.CLASSES.index("last space")].round(2)

# %%
tables = character_tables.tables(fold(checkpoint.model), windows.tokens)
common = (tables.count.values >= 20).nonzero()[0]
name = checkpoint.known_vocabulary.names(checkpoint.model.config.vocab_size)
for row, column, value in character_tables.strongest(tables.ov.values[1, 0], common, common, 5):
    print(f"L1H0 raises {name[column]!r} after attending to {name[row]!r}: {value:+.2f} logits")
