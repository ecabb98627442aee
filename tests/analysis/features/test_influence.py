"""Influence, scores and pruning on graphs small enough to work out by hand."""

import pytest
import torch

from nanoscope.analysis.features.influence import covering, influence, pruned, scores, shares, strongest

# 0: feature, 1: error, 2: token, 3: logit. The logit reads the feature (3) and the error (-1), the feature the token (2) and
# the error (-2).
A = torch.tensor([[0.0, -2, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0], [3, -1, 0, 0]])
W = torch.tensor([0.0, 0, 0, 1])
IS = {name: torch.arange(4) == n for n, name in enumerate(("feature", "error", "token", "logit"))}


def test_influence_is_the_sum_over_paths():
    shared = shares(A)
    assert shared.tolist() == [[0, 0.5, 0.5, 0], [0] * 4, [0] * 4, [0.75, 0.25, 0, 0]]
    found = influence(shared, W)
    assert found.tolist() == [0.75, 0.25 + 0.375, 0.375, 0]
    inverse = W @ (torch.linalg.inv(torch.eye(4) - shared) - torch.eye(4))
    torch.testing.assert_close(found, inverse)


def test_scores_are_their_definitions():
    found = scores(A, W, IS["token"], IS["error"])
    assert found.replacement == pytest.approx(0.375 / (0.375 + 0.625))
    reached, explained = [0.75, 0.625, 0.375, 1.0], [0.5, 1, 1, 0.75]
    assert found.completeness == pytest.approx(
        sum(a * b for a, b in zip(reached, explained, strict=True)) / sum(reached)
    )
    without = A.clone()
    without[:, 1] = 0
    assert scores(without, W, IS["token"], IS["error"]) == (1, 1)
    only = torch.zeros(4, 4)
    only[3, 1] = 1
    assert scores(only, W, IS["token"], IS["error"]).replacement == 0


def test_covering_takes_the_fewest_that_are_enough():
    values = torch.tensor([1.0, 5, 0, 3, 1])
    assert covering(values, 0.5).tolist() == [False, True, False, False, False]
    assert covering(values, 0.51).tolist() == [False, True, False, True, False]
    assert covering(values, 1.0).tolist() == [True, True, False, True, True], "what carries nothing is never kept"


def test_pruning_leaves_no_dead_ends():
    """A feature that is read but reads nothing, and one that reads but is not read, are both gone; tokens stay."""
    chain = torch.zeros(6, 6)  # 0, 1, 2: features; 3: error; 4: token; 5: logit
    chain[0, 4], chain[5, 0], chain[5, 1], chain[2, 4], chain[5, 3] = 4.0, 3.0, 1.0, 5.0, 2.0
    weights, fixed = torch.zeros(6), torch.tensor([0, 0, 0, 0, 1, 1]).bool()
    weights[5] = 1
    inner = torch.tensor([1, 1, 1, 0, 0, 0]).bool()
    kept = pruned(chain, weights, fixed, inner, nodes=1.0, edges=1.0)
    assert kept.nodes.tolist() == [True, False, False, True, True, True]
    assert kept.edges.nonzero().tolist() == [[0, 4], [5, 0], [5, 3]]
    few = pruned(chain, weights, fixed, inner, nodes=0.6, edges=1.0)
    assert few.nodes.tolist() == [True, False, False, False, True, True]


def test_the_strongest_few_are_those_with_most_influence():
    fixed, inner = torch.tensor([0, 0, 0, 1]).bool(), torch.tensor([1, 0, 0, 0]).bool()
    assert strongest(A, W, fixed, inner, 3).nodes.all()
    two = strongest(A, W, fixed, inner, 2)
    assert two.nodes.tolist() == [True, True, False, True], (
        "the feature (0.75) and the error (0.625), not the token (0.375)"
    )
    assert two.edges.nonzero().tolist() == [[0, 1], [3, 0], [3, 1]]
    one = strongest(A, W, fixed, inner, 1)
    assert one.nodes.tolist() == [False, False, False, True], "the feature alone would read nothing"
