"""The checker that the import hook of conftest.py calls.

numpy's whole numbers count as int, whole numbers as float, and what numpy gives for an array without axes as an array.
"""

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

NUMBERS = FrozenDict(
    {
        int: int | np.integer,
        float: float | int | np.integer | np.floating,
        np.ndarray: np.ndarray | np.generic,
    }
)
checked = beartype(conf=BeartypeConf(hint_overrides=NUMBERS))
