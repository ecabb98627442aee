"""The program asks few questions: at most 40 claims, of which at most 8 are primary, and each of these is one."""

from nanoscope.evidence.families import too_many
from nanoscope.experiments import EXPERIMENTS, open_experiment


def test_there_are_few_claims() -> None:
    claims = [claim.id for name in EXPERIMENTS for claim in open_experiment(name).claims]
    assert too_many(claims) == ()
