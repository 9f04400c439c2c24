"""The one exception that means: the user can mend this."""


class InputError(ValueError):
    """A user's mistake or a bad file: the message says what was received, what was expected and what to do.

    Command lines print it without a traceback and leave with exit code 2.
    """
