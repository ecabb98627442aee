# %% [markdown]
# # 03 · How predictions form
#
# Every layer's residual stream can be read as if the model stopped there. This notebook reads it through two lenses, asks how
# long an n-gram table would have to be to know as much, and follows the same question through training. It reads the published
# study (`results/`).

# %%
# %matplotlib inline
from pathlib import Path

import nanoscope as ns
from nanoscope.analysis.prediction import logit_lens, tuned_lens
from nanoscope.experiments.lenses import figures as lenses
from nanoscope.experiments.neurons import figures as neurons
from nanoscope.report import read_study
from nanoscope.text.passages import passages, windows_to_fit
from nanoscope.text.tokenizer import tokenized

study, corpus = read_study("../results"), ns.open_corpus()
model, control = (study.result(label, "lenses") for label in study.shown[:2])
for finding in model.findings:
    verdict = "withdrawn" if finding.withdrawn else finding.verdict if finding.kind == "measurement" else finding.kind
    print(f"{verdict:24} {finding.claim}")

# %% [markdown]
# ## Reading along
#
# Under each character, the most probable next one after each layer. The logit lens begins with the character just read: token
# embedding and unembedding are the same matrix. The tuned lens, a learned translation, does not.

# %%
display(lenses.example(model))

# %% [markdown]
# ## Through the layers
#
# Left, the loss if the model stopped there, beside what n-gram tables of the same text achieve. Then how far each reading is
# from each table, by three measures that need not agree: a solid box is a nearest table that the tables' sampling error allows.

# %%
display(lenses.formation(model), lenses.ngrams(model))

# %% [markdown]
# ## When is a prediction made?
#
# Two criteria, each by both lenses. The usual one for words, the top character's probability above one half, is not among them:
# most predictions of characters never meet it.

# %%
display(lenses.settling(model), lenses.writers(model))

# %% [markdown]
# ## Through training
#
# The whole model against the same tables, checkpoint by checkpoint and in both directions of the KL.

# %%
display(lenses.training(model), lenses.training(control))

# %% [markdown]
# ## By hand
#
# A lens is a function from residual streams to logits. Fitted here on 64 windows, and read on text that it has not seen.

# %%
checkpoint = ns.load(Path("../trained_models/shakespeare_char_model"))
train = checkpoint.encode(corpus.train)
fitted, held_out = (tuned_lens.collect(checkpoint.model, part) for part in windows_to_fit(train, 128, 64, 16))
fit = tuned_lens.fit(checkpoint.model, fitted, held_out, tuned_lens.Settings(steps=50, batch=512, every=10), "notebook")
fit.course.to_xarray().round(2)

# %%
tables = ns.NGrams.fit(train.numpy(), len(checkpoint.vocabulary), 4)
text = passages(tokenized(corpus.val, checkpoint.vocabulary), context=128, most=32, skip=4)
read = logit_lens.over_text(checkpoint.model, text, fit.translation.lens(checkpoint.model), tables)
per_place = read.measures.sel(measure="loss").values.sum(-1) / text.counts.sum(-1)
ns.Sweep(per_place, ("layer", "kind"), "nats", {"kind": read.measures.labels("kind")}).to_xarray().round(2)

# %% [markdown]
# ## What single neurons know
#
# For every concept and layer, the neuron that tells it best, chosen on training text and measured on validation text; beside it
# shifted labels, an untrained model and a linear probe. Then the clearest neurons one by one.

# %%
hidden = study.result(study.main, "neurons")
display(neurons.concepts(hidden), neurons.cards_of_result(hidden))
