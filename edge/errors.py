"""User errors: the one exception for what the user can correct."""


class InputError(ValueError):
    """A user error or a bad file: the message says what was received, what was expected and what to do.

    Command lines print it without a traceback and end with exit code 2.
    """
