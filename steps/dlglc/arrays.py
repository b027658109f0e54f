"""The type of numpy arrays. Docstrings have their shapes and element types."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
