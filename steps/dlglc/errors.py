"""The error that every module raises for a mistake of the user."""


class RecipeError(Exception):
    """A mistake that the user can correct.

    The text says what is wrong, where (file and line, or key), and what to do.
    """
