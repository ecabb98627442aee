"""The error for mistakes that a user can fix: one line that says what is wrong and what to do."""


class NanoscopeError(ValueError):
    """Raised for any invalid input; the command line prints its text and exits with code 2."""
