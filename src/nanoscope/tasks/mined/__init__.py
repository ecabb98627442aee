"""Tasks mined from natural text: what a model of text really has to do, as pairs that differ in what decides the answer.

`MINED` names them all. A task is a function of the text alone: mined on two texts, it is two tasks, one to choose a circuit on
and one to report it on.
"""

from nanoscope.tasks.mined.distance import at_distance
from nanoscope.tasks.mined.places import after_blank_line, after_name, word_end
from nanoscope.tasks.mined.registry import MINED, Mined, mined

__all__ = ["MINED", "Mined", "after_blank_line", "after_name", "at_distance", "mined", "word_end"]
