# %% [markdown]
# # 01 · Induction heads
#
# Do small character-level GPTs learn to look up what followed the last time? This notebook looks at three models through
# the same code: the one we ask about, a **positive control** trained where only copying pays, and a **planted model** whose
# circuit was written by hand. It reads the published study (`results/`); a study of your own (`nanoscope study quick`) is read
# in the same way.

# %%
# %matplotlib inline
from pathlib import Path

import nanoscope as ns
from nanoscope import tasks
from nanoscope.analysis.attention import repeated_sequences
from nanoscope.analysis.causal import patching
from nanoscope.experiments.emergence import figures as emergence
from nanoscope.experiments.induction import figures as induction
from nanoscope.planted.induction import planted_induction
from nanoscope.report import read_study
from nanoscope.tasks import metrics

study = read_study("../results")
model, control, planted = (study.result(label, "induction") for label in study.shown)
[(label, study.subject(label).parameters) for label in study.shown]

# %% [markdown]
# ## The question, and what would count
#
# Each claim has a criterion that was written down before the run. The verdict is computed from the interval: *supported*
# inside the criterion, *not supported* outside; it may also straddle it, lack data, or not apply.

# %%
for result in (model, control, planted):
    print(
        f"{result.subject.label:26}",
        {
            f.id.split(".")[1]: "withdrawn" if f.withdrawn else f.verdict
            for f in result.findings
            if f.kind == "measurement"
        },
    )

# %% [markdown]
# ## Behaviour, and which heads
#
# The second copy of a random sequence, beside the same text after another first copy, and beside n-gram tables. Heads are
# selected on one set of sequences and reported on another, at the block length where they score worst.

# %%
display(induction.behaviour(model), induction.behaviour(control))

# %%
display(induction.head_scores(model), induction.attention(control))

# %% [markdown]
# ## Where does it act?
#
# Patching in both directions. In the planted model every number is known: both heads are needed (noise), only the second
# is enough (denoise). The control shows the same AND gate, grown by training.

# %%
display(induction.patching_effects(planted), induction.patching_effects(control))

# %% [markdown]
# ## How does the prediction form, and when did it appear?

# %%
display(induction.logit_lens(control), emergence.onset(study.result(control.subject.label, "emergence")))

# %% [markdown]
# ## By hand
#
# The same measurements in a few lines. First the scores of every head of the canonical model: of your own training, if
# `scripts/train_for_interpretability.sh` made one, else of the one that comes along. Then one sweep, on the planted model. The
# report of the whole study, with every number's evidence, is `results/FINDINGS.md`.

# %%
trained = Path("../runs/train-shakespeare/final")
checkpoint = ns.load(trained if trained.exists() else Path("../trained_models/shakespeare_char_model"))
symbols = tasks.alphabet(checkpoint.encode(ns.open_corpus().train), len(checkpoint.vocabulary))
sequences = tasks.repeated_sequences(symbols, 23, 128, 32, None, "notebook")
scores = repeated_sequences.attention_scores(checkpoint.model, sequences)
scores.sel(score="induction").mean("example").to_xarray().round(2)

# %%
known = planted_induction(checkpoint.vocabulary)
task = tasks.copy_task(symbols, 17, 32, "notebook", start=known.known_vocabulary.start)
found = patching.exact(known.model, task, metrics.logit_diff, patching.heads(known.model, task))
found.effect.sel(direction="denoise").to_xarray().round(2)
