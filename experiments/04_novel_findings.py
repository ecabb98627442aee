# %% [markdown]
# # 04 · How circuits evolve, how small a model can be, what replicates, what fails
#
# Five questions whose criteria were written down before the runs. This notebook reads the published study (`results/`), so it
# needs no model and no training; `nanoscope study published` makes everything again.

# %%
# %matplotlib inline
from pathlib import Path

from nanoscope.experiments.doses import figures as doses
from nanoscope.experiments.emergence import figures as emergence
from nanoscope.experiments.evolution import figures as evolution
from nanoscope.experiments.failures import figures as failures
from nanoscope.experiments.replication import figures as replication
from nanoscope.experiments.scale import figures as scale
from nanoscope.report import read_study

published = read_study(Path("../results"))
for result in [
    result for name in ("evolution", "scale", "replication", "doses") for result in published.compared(name)
]:
    print(f"\n{result.experiment} over {result.subject.label}")
    for finding in result.findings:
        print(f"  {'withdrawn' if finding.withdrawn else finding.verdict:24} {finding.claim}")

# %% [markdown]
# ## a. How do circuits evolve during training?
#
# One training first: every score at every checkpoint, with its band over texts. In the control, where only copying pays, the
# same curves show what a phase change looks like.

# %%
control = published.result(published.with_role("control")[0], "emergence")
display(emergence.onset(published.main_result("emergence")), emergence.onset(control))

# %% [markdown]
# Then all trainings that differ in their seed only: thin lines are trainings, bands are Student's t over them.

# %%
for result in published.compared("evolution"):
    display(evolution.bands(result), evolution.timeline(result))

# %% [markdown]
# ## b. How small can a model be?
#
# Depths, widths, two tasks, up to three seeds. Cells that the published study did not train say so.

# %%
for result in published.compared("scale"):
    print("\n".join(finding.text for finding in result.findings))
    display(scale.capabilities(result), scale.loss(result))

# %% [markdown]
# ## c. What replicates?
#
# Every claim's verdict in every training; then heads, matched across trainings by what they attend to on one half of the
# text and compared on the other.

# %%
for result in published.compared("replication"):
    display(replication.verdicts(result), replication.heads(result))

# %% [markdown]
# ## d. Can circuit measurements predict the model's failures?
#
# At equal confidence, does the state of the copying and previous-token heads say where the model is wrong? Random heads of the
# same layers and the text itself are the controls; a planted model, whose errors its head causes, shows that the instrument
# sees. Last, training by training: how much the heads' state adds to confidence and text (AUROC).

# %%
result = published.result(published.main, "failures")
print("\n\n".join(finding.text for finding in result.findings))
display(failures.areas(result), failures.states(result))
for label in published.replicates:
    adds = published.result(label, "failures").finding("failures.beyond_text").evidence
    print(f"{label}: {adds.value:+.4f} [{adds.interval[0]:+.4f}, {adds.interval[1]:+.4f}]")

# %% [markdown]
# ## e. From which data is copying learned?
#
# The control is trained with a copy in only a share of its windows, the dose. A law of when an induction head forms was fitted
# to six doses and committed; then four other doses were trained. Blue dots were fitted, orange ones foretold.

# %%
for result in published.compared("doses"):
    print("\n".join(finding.text for finding in result.findings))
    display(doses.formation(result), doses.curves(result))
