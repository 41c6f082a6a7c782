"""The one exception this room raises for input it cannot accept."""


class InputError(ValueError):
    """Input that cannot be used: the message says what was expected, what came, what to do."""
