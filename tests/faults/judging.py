"""What a judge of a reader says: a bad file was taken for something that it is not."""

from collections.abc import Callable


class Silent(Exception):
    """A bad input was read as something that it is not, without a word."""


def agree(found: object, expected: Callable[[], object]) -> None:
    """Raise Silent if what was accepted is not what the slow reader makes of it."""
    try:
        wanted = expected()
    except ValueError as error:
        raise Silent(f"accepted, though {str(error)[:100]!r}") from None
    if found != wanted:
        raise Silent(f"read as {str(found)[:100]}, not {str(wanted)[:100]}")
