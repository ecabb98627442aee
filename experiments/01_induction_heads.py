# %% [markdown]
# # 01 · Induction heads
#
# Do small character-level GPTs learn to look up what followed the last time? This notebook looks at three models through
# the same code: the one we ask about, a **positive control** trained where only copying pays, and a **planted model** whose
# circuit was written by hand. It reads the results of `make findings`, and makes them first where they are missing.

# %%
# %matplotlib inline
from pathlib import Path

import nanoscope as ns
from nanoscope import tasks
from nanoscope.analysis.attention import repeated_sequences
from nanoscope.analysis.causal import patching
from nanoscope.experiments.emergence import figures as emergence
from nanoscope.experiments.induction import figures as induction
from nanoscope.report import read_study
from nanoscope.studies import presets
from nanoscope.studies import run as study
from nanoscope.tasks import metrics

folder, corpus = Path("../runs/quick"), ns.open_corpus()
results = study.run_study(presets.STUDIES["quick"], corpus, folder)
quick = read_study(folder)
model, control, planted = (quick.result(label, "induction") for label in quick.labels)
[(label, quick.subject(label).parameters) for label in quick.labels]

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
display(induction.logit_lens(control), emergence.onset(quick.result(quick.labels[1], "emergence")))

# %% [markdown]
# ## By hand
#
# The same measurements in a few lines, on the control's checkpoint: a task, the heads' scores, one sweep. The report of the
# whole study, with every number's evidence, is `runs/quick/FINDINGS.md`.

# %%
checkpoint = ns.load(folder / "models" / "control-1" / "final")
symbols = tasks.alphabet(checkpoint.encode(corpus.train), len(checkpoint.vocabulary))
scores = repeated_sequences.attention_scores(
    checkpoint.model, tasks.repeated_sequences(symbols, 23, 64, 32, None, "notebook")
)
scores.sel(score="induction").mean("example").to_xarray().round(2)

# %%
task = tasks.copy_task(symbols, 17, 32, "notebook")
found = patching.exact(checkpoint.model, task, metrics.logit_diff, patching.heads(checkpoint.model, task))
found.effect.sel(direction="denoise").to_xarray().round(2)
