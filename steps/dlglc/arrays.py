"""The type of a numpy array. Shapes and element types stand in the docstrings."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
