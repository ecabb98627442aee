"""The checker that the import hook of conftest.py calls: numpy's whole numbers count as int, and whole numbers as float."""

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

NUMBERS = FrozenDict({int: int | np.integer, float: float | int | np.integer | np.floating})
checked = beartype(conf=BeartypeConf(hint_overrides=NUMBERS))
