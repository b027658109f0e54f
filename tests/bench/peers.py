"""The tools beside ours: each may be absent."""

import importlib
from collections.abc import Callable
from typing import Any


def peer_module(name: str) -> Any:
    """The module of a peer, or None if it is not installed or does not load."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        return None


def if_present(module: Any, run: Callable[[], object]) -> Callable[[], object] | None:
    """The contestant `run` if its module is there, else None."""
    return run if module else None
