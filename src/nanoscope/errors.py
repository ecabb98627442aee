"""The error for mistakes that a user can fix, and Ctrl-C where it is known what is kept: one line each."""


class NanoscopeError(ValueError):
    """Raised for any invalid input; the command line prints its text and exits with code 2."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with one line that says what is kept and what is not; the command line prints it and exits with code 130."""
