# %% [markdown]
# # 05 · Three questions to your own checkpoint
#
# No study and no training: change one path. The model that comes with nanoscope stands here; a `ckpt.pt` of nanoGPT's does as
# well (with its `meta.pkl` beside it), and a text like the one that it was trained on. A few minutes on two cores; results are
# kept in `runs/mine`, so that a second run only draws.

# %%
# %matplotlib inline
from pathlib import Path

import numpy as np

import nanoscope as ns
from nanoscope.analysis.causal import component_ablation
from nanoscope.evidence.answer import answers
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads import figures as heads
from nanoscope.experiments.induction import figures as induction
from nanoscope.experiments.lenses import figures as lenses
from nanoscope.experiments.runner import run_experiment
from nanoscope.text.passages import passages
from nanoscope.views import lens

checkpoint = ns.load(Path("../trained_models/shakespeare_char_model"))  # your checkpoint
corpus = ns.open_corpus()  # your text: ns.open_corpus("my_text.txt")
subject, kept = Subject(checkpoint, corpus, "my model"), Path("../runs/mine/results")
print(checkpoint)

# %% [markdown]
# ## What do my heads do?
#
# Every head is scored in every class of attention, on text that the classes were not chosen on. A box is a head's class; a
# head without one has no class.

# %%
experiment = open_experiment("heads")
found = run_experiment(experiment, subject, experiment.setting("quick"), kept)
print(*answers(experiment.questions, found), sep="\n")
display(heads.taxonomy(found))

# %% [markdown]
# ## Where is it decided?
#
# Under each character, what the model would say next if it stopped after each layer. Boxed: it does follow. At the embedding it
# names the character just read, because embedding and unembedding are one matrix.

# %%
text = lens.opening(checkpoint, corpus)
reading = lens.read(checkpoint, text, checkpoint.model.unembed)
display(lenses.sentence(reading.values, reading.symbols, "logit lens", "my model"))

# %% [markdown]
# ## Did it learn induction?
#
# An induction head looks up what followed the current character last time. It would lie above the dotted line, at every block
# length.

# %%
experiment = open_experiment("induction")
found = run_experiment(experiment, subject, experiment.setting("quick"), kept)
print(*answers(experiment.questions, found), sep="\n")
display(induction.head_scores(found))

# %% [markdown]
# ## What is lost without a head?
#
# The best previous-token head, replaced by its mean over other text; beside it other heads of its layer, one at a time. Loss
# added, in nats per character.

# %%
previous = found["scores_report"].sel(score="previous").mean("length", "example").values
layer, head = (int(index) for index in np.unravel_index(previous.argmax(), previous.shape))
name = f"L{layer}H{head}"
text = passages(subject.read(corpus.val), checkpoint.model.config.block_size, most=48)
every = component_ablation.heads(checkpoint.model.config)
sets = {one: sites for one, sites in every.items() if one.startswith(f"L{layer}H")}
cost = component_ablation.cost_without(checkpoint.model, text[1::2], sets, text[0::2].tokens).mean("window")
print(name, dict(zip(sets, cost.values.round(3).tolist(), strict=True)))

# %% [markdown]
# ## What does it write without it?
#
# The same random draws with and without the head (set to zero): the texts part where the head would have mattered.

# %%
start = "ROMEO:\n"
print(ns.generate(checkpoint, start, steps=120, temperature=0.8, seed=1))
print("\n---- without", name, "\n")
print(
    ns.generate(checkpoint, start, steps=120, temperature=0.8, seed=1, edits=[ns.zero(ns.Site("z", layer, head=head))])
)

# %% [markdown]
# What the figures mean: `docs/figures/`. How each number is measured, and what would fool it: `docs/methods/`. A page of all
# results in `runs/mine`: `nanoscope report runs/mine`.
