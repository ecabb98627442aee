"""The one error that a user causes and can mend: a single line saying what is wrong and what to do."""


class NanoscopeError(ValueError):
    """Raised for bad input of any kind; the command line prints its text and exits with code 2."""
