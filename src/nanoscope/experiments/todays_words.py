"""Stored results in the words of today's code: wordings are declared with the claims, so rewording needs no new run."""

from __future__ import annotations

from dataclasses import replace

from nanoscope import experiments
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment


def in_todays_words(study: Study) -> Study:
    """The study with every result reworded by its experiment's claims; results of another version get a note instead."""
    return replace(study, results=tuple(reworded(result) for result in study.results))


def reworded(result: Result) -> Result:
    """The same numbers and verdicts in today's words.

    A result of another version keeps its words and gets a `note`; claims that are made no more are left out of it.
    """
    if result.experiment not in experiments.EXPERIMENTS:
        return replace(result, note=f"{result.experiment} is no longer an experiment of this program")
    experiment = open_experiment(result.experiment)
    claims = {claim.id: claim for claim in experiment.claims}
    known = [(finding, claims[finding.id]) for finding in result.findings if finding.id in claims]
    if (version := result.identity["version"]) != experiment.version:
        note = f"judged by version {version} of {experiment.name}; today's is {experiment.version}"
        kept = tuple(replace(finding, withdrawn=claim.withdrawn_in(version)) for finding, claim in known)
        return replace(result, findings=kept, note=note)
    return replace(result, findings=tuple(_reworded(finding, claim) for finding, claim in known))


def _reworded(finding: Finding, claim: Claim) -> Finding:
    """The finding in today's words; one of an earlier format keeps its stored words."""
    if claim.criterion != finding.criterion:
        raise NanoscopeError(
            f"the criterion of claim {finding.id} has changed since it was judged: raise its experiment's version"
        )
    if finding.relation is None:
        return replace(finding, withdrawn="" if claim.sound_from else claim.withdrawn)
    return claim.found(finding.evidence)
