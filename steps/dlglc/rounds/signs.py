"""The choice of an epoch by its sign. Without torch, as reports and the choice of a system ask for it too."""

from collections.abc import Sequence


def chosen_epoch(start: float, epochs: Sequence[float]) -> int:
    """The epoch whose encoder is kept, from 1; 0 = the start. It is the first one with the lowest error rate.

    Args:
        start: error rate of the start on held-out clusters.
        epochs: error rates after each epoch.
    """
    found = [start, *epochs]
    return found.index(min(found))
