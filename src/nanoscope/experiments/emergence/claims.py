"""Emergence, the claims. "Abrupt" is a convention fixed beforehand: from 10 to 90 % within a factor of 3 in iterations."""

from nanoscope.findings import Claim, Criterion

FORMED = Criterion(">=", 0.3)

CLAIMS = (
    Claim(
        id="emergence.forms",
        sentence="An induction head forms during training.",
        criterion=FORMED,
        null_is="the same head before training",
        figure="emergence_onset",
        prose={
            "supported": "{head} ends at {value} above uniform attention [{low}, {high}], from {null} before training.",
            "not supported": "No induction head forms within {steps} iterations: the best head, {head}, ends at {value} "
            "above uniform attention [{low}, {high}].",
            "undecided": "The best head, {head}, ends at {value} above uniform attention [{low}, {high}].",
        },
    ),
    Claim(
        id="emergence.sharp",
        sentence="It appears abruptly: its score goes from 10 to 90 % of its final value within a factor of 3.",
        criterion=Criterion("<=", 3.0),
        null_is="at once",
        prose={
            "supported": "It appears abruptly: its score goes from 10 to 90 % of its final value between {from} and {to} "
            "(a factor of {value} [{low}, {high}]).",
            "not supported": "It appears gradually: its score goes from 10 to 90 % of its final value between {from} and "
            "{to} (a factor of {value} [{low}, {high}]).",
            "undecided": "Whether it appears abruptly is not decided (10 % at {from}, 90 % at {to}).",
        },
    ),
    Claim(
        id="emergence.order",
        sentence="The previous-token head below it is not later.",
        criterion=Criterion(">=", 1.0),
        null_is="at the same iteration",
        prose={
            "supported": "The previous-token head {previous} below it is not later: the two reach half of their final scores "
            "at {halves}.",
            "not supported": "The previous-token head {previous} below it is later: the two reach half of their final scores "
            "at {halves}.",
            "undecided": "Which of {previous} and {head} is first is not decided (half of the final scores at {halves}).",
        },
    ),
)
