"""The error that a user can act on."""


class RecipeError(Exception):
    """A mistake that the user can mend.

    The text says what is wrong, where (file and line where there is one), and what to do.
    """
