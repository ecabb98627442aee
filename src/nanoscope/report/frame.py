"""The sections of the report around its findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, drawn
from nanoscope.evidence.subject import StoredSubject
from nanoscope.experiments import open_experiment
from nanoscope.experiments.replication import table as replication
from nanoscope.report import absences
from nanoscope.report.figure_files import places
from nanoscope.text.corpora import SHAKESPEARE, data_option
from nanoscope.training.stretches import Stretch, repeatable

REPORT_COMMANDS = {
    None: "nanoscope run induction CHECKPOINT --out runs/mine && nanoscope report runs/mine",
    "quick": "make findings",
}


def head(study: Study) -> str:
    """Title and overview."""
    return f"""# Mechanistic interpretability findings

**Project**: nanoscope, a microscope for nanoGPT  
**Date**: {study.date} (of the newest result)  
**Made by**: `{_command(study)}`

## Overview

What a small GPT trained on characters has learned: measured, beside its null, with an interval, and judged by a criterion
that was fixed before the run. Every number below is rendered from a stored result, and each sentence is chosen by its
verdict: *supported* where the 95 % interval lies inside the criterion, *not supported* where it lies outside, *undecided*
else. All of it is in [findings.json](findings.json)."""


def models(study: Study) -> str:
    """What was analysed, with measured sizes and losses."""
    parts = [_model(study.subject(label)) for label in study.shown]
    return "\n\n".join(["## Models analysed", *parts, *_further(study), *_sizes(study)])


def _further(study: Study) -> list[str]:
    """Trainings like those above, a row each."""
    others = [(label, study.subject(label)) for label in study.labels if label not in study.shown]
    rows = [f"| {label} | {about.corpus} | {_loss(about.training)} |" for label, about in others]
    if not rows:
        return []
    head = "| further trainings | text | validation loss, nats per character |\n|---|---|---|"
    return [f"{head}\n" + "\n".join(rows)]


def _sizes(study: Study) -> list[str]:
    """Which cells of the range of sizes were trained."""
    told = [result for result in study.compared("scale") if result["scores"].values.size]
    return [f"And {len(result.subject.models)} small models, compared under finding 4b." for result in told]


def _loss(training: Mapping[str, Any]) -> str:
    return f"{training['val_loss']:.4f}" if "val_loss" in training else "not recorded"


def _model(subject: StoredSubject) -> str:
    config, training = subject.config, subject.training
    shape = f"{config['n_layer']} layers, {config['n_head']} heads each, width {config['n_embd']}"
    rows = [
        ("Architecture", f"GPT, {shape}" + (", attention only" if config["attention_only"] else "")),
        ("Context length", f"{config['block_size']} characters"),
        ("Vocabulary", f"{config['vocab_size']} symbols"),
        ("Parameters", f"{subject.parameters:,}"),
        *_training_rows(subject.corpus, config, training),
    ]
    body = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"### {subject.label.removeprefix('the ').capitalize()}\n\n| | |\n|---|---|\n{body}"


def _training_rows(corpus: str, config: Mapping[str, Any], training: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "planted" in training:
        return [("Training", "none: its weights were written by hand, so that every answer is known")]
    if "accumulation" not in training:
        return [("Training", "not recorded in the checkpoint"), ("Measured on", corpus)]
    batch = training["batch_size"] * training["accumulation"]
    kind = {"text": "windows of the text", "echo": "windows with a random span and its copy"}[training["data"]]
    done = f"{training['step']:,} of {training['iterations']:,}" if training["step"] != training["iterations"] else ""
    rows = [
        ("Data", f"{corpus}: {kind}"),
        (
            "Training",
            f"{done or format(training['iterations'], ',')} iterations of {batch} x {config['block_size']} tokens, "
            f"seed {training['seed']}",
        ),
    ]
    if "val_loss" in training:
        rows.append(("Validation loss", f"{_loss(training)} nats per character (the whole validation split)"))
    if "released_from" in training:
        rounded = f"rounded to 16 bits for the release; the loss before was {training['val_loss_float32']:.4f}"
        rows.append(("Weights", rounded))
    rows += trained_on([Stretch(**one) for one in training.get("stretches", [])])
    if training["data"] == "echo" and "val_loss_own_data" in training:
        rows.append(("Loss on its own data", f"{training['val_loss_own_data']:.4f} nats per character"))
    return rows


def trained_on(stretches: Sequence[Stretch]) -> list[tuple[str, str]]:
    """Where it was trained, and of a training that moved, that its weights cannot be had again."""
    ran = [
        f"from iteration {one.first:,} on {one.processor}: {one.threads} threads, {one.precision}, torch {one.torch}"
        for one in stretches
    ]
    moved = [] if repeatable(stretches) else ["no machine can train exactly these weights again"]
    return [("Trained", "; ".join([*ran, *moved]))] if ran else []


def reproducibility(study: Study) -> str:
    """Over trainings, what replicated; and what limits all of it."""
    return f"""## Reproducibility

{replication.section(study)}

{absences.section(study)}

### Limitations

1. **Size.** These are small models; nothing here was checked on larger ones.
2. **Data.** By characters: {_corpora(study)}.
3. **Examples.** {_examples(study)}
4. **Tools.** The logit lens sees only what the unembedding reads; mean ablation leaves the distribution the model knows;
   head indices mean nothing across trainings, so claims over seeds are about existence and effect.
5. **Context.** The in-context-learning score and the loss in repeated passages compare different characters of the same
   windows, in every training the same ones: bands over trainings leave that noise out, intervals over windows have it in.
6. **Machines.** On the same machine, with as many threads, a training comes out bit for bit the same; on another processor it
   may round differently, and is then another training of the same recipe and seed."""


def _corpora(study: Study) -> str:
    return ", ".join(sorted({study.subject(label).corpus for label in study.labels}))


def _examples(study: Study) -> str:
    counts = [
        f"{label}: {result.identity['params']['sequences']} sequences per block length and split, "
        f"{result.identity['params']['windows']} windows of text"
        for label in study.shown
        if (result := study.result(label, "induction")) is not None
    ]
    return "; ".join(counts) + "."


def future(study: Study) -> str:
    """What comes next."""
    canonical = study.name == "shakespeare"
    first = (
        "Longer trainings and larger models"
        if canonical
        else "The canonical model (`nanoscope study shakespeare`, on a GPU)"
    )
    return f"""## Future directions

1. {first}, more seeds, and the same experiments on other texts (`--data`).
2. Edge-level circuits: which head reads which, position by position; causal scrubbing of what is found.
3. What neurons do together (dictionaries of features), with the same nulls.
4. Open questions: what decides in which layer an algorithm is learned; what a copying head would be worth to a character
   model with a longer context; which of these answers change with size."""


def figures(study: Study) -> str:
    """Every figure and what it shows: the first line of the function that draws it."""
    lines = [
        f"- [{result.subject.label}: {name}]({path}): {_shows(open_experiment(result.experiment).figures[name])}"
        for result in drawn(study)
        for name, path in places(study, result).items()
    ]
    return "## Visualisations\n\n" + "\n".join(lines)


def _shows(draw: Callable[[Result], Any]) -> str:
    line = (draw.__doc__ or "").splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:]


def artifacts(study: Study) -> str:
    """Where everything lies, and the commands that make it again."""
    return f"""## Code and data

- **Results**: `results/`, one folder per experiment and model, named by the hash of what decides its numbers
- **Findings**: [findings.json](findings.json); experiment 01 in one file:
  [induction_heads_analysis.json](induction_heads_analysis.json)
- **Models**: `trained_models/`, {_released(study)}; the first command trains the canonical one into
  `trained_models/shakespeare_char_model.pt` (nanoGPT's format)
- **Notebooks**: `experiments/01_induction_heads.ipynb`, `02_attention_patterns.ipynb`, `03_logit_lens_analysis.ipynb`,
  `04_novel_findings.ipynb`

### Reproduction

```bash
# 1. Train the canonical model (for your own analyses; the page you read needs only the next step)
bash scripts/train_for_interpretability.sh

# 2. Run the analysis (here: the study that this page is of)
{_command(study)}

# 3. Render this page again from the stored results
nanoscope report {_folder(study)}
```"""


def _released(study: Study) -> str:
    """Which model of this study is published."""
    released = [label for label in study.labels if "released_from" in study.subject(label).training]
    return f"{', '.join(released)}, in half precision, as it is analysed here" if released else "none of this study"


def references() -> str:
    """Corrected: who wrote what."""
    return """## References

1. Elhage et al. (2021). A Mathematical Framework for Transformer Circuits. Transformer Circuits Thread (Anthropic).
2. Olsson et al. (2022). In-context Learning and Induction Heads. Transformer Circuits Thread (Anthropic); arXiv 2209.11895.
3. Wang, Variengien, Conmy, Shlegeris, Steinhardt (2022). Interpretability in the Wild. Redwood Research and UC Berkeley;
   arXiv 2211.00593, ICLR 2023.
4. Olah et al. (2020). Zoom In: An Introduction to Circuits. Distill.
5. Zhang, Nanda (2023). Towards Best Practices of Activation Patching. arXiv 2309.16042, ICLR 2024.
6. Heimersheim, Nanda (2024). How to use and interpret activation patching. arXiv 2404.15255.
7. nostalgebraist (2020). interpreting GPT: the logit lens. LessWrong.
8. Meloux et al. (2025). arXiv 2510.00845 (the variance of circuit findings).
9. Belrose et al. (2023). Eliciting Latent Predictions from Transformers with the Tuned Lens. arXiv 2303.08112.
10. Hoogland et al. (2024). The Developmental Landscape of In-Context Learning. arXiv 2402.02364 (distances to n-grams).
11. Gurnee et al. (2024). Universal Neurons in GPT2 Language Models. arXiv 2401.12181.
12. Witten, Bell (1991). The zero-frequency problem. IEEE Transactions on Information Theory 37 (n-gram smoothing).

Tools: [nanoGPT](https://github.com/karpathy/nanoGPT), [TransformerLens](https://github.com/TransformerLensOrg/TransformerLens),
[ARENA](https://arena-ch1-transformers.streamlit.app/). With thanks to Andrej Karpathy for nanoGPT, to the authors above for
the methods, and to TransformerLens for the field's vocabulary."""


def updates(study: Study) -> str:
    """The log: what was measured when, by the results' own dates."""
    by_date: dict[str, list[str]] = {}
    for result in study.results:
        line = f"- {result.experiment} on {result.subject.label}: "
        line += ", ".join(f"{f.id.split('.')[1]} {f.verdict}" for f in result.findings if f.kind == "measurement")
        by_date.setdefault(str(result.provenance["date"]), []).append(line)
    parts = [f"### {date}\n\n" + "\n".join(lines) for date, lines in sorted(by_date.items(), reverse=True)]
    return "## Updates log\n\n" + "\n\n".join(parts)


def _command(study: Study) -> str:
    command = REPORT_COMMANDS.get(study.name) or f"nanoscope study {study.name}"
    corpus = study.subject(study.main).corpus
    if study.name is None or corpus == SHAKESPEARE:
        return command
    return f"nanoscope study {study.name} --data {data_option(corpus)}"


def _folder(study: Study) -> str:
    """Where this page lies: the published study's is kept with the code."""
    if study.name in ("shakespeare", "shakespeare-cpu"):
        return "results"
    return f"runs/{study.name}" if study.name else "runs/mine"
