"""What can be wrong with what detection is given."""


class UnusableTiny(ValueError):
    """The tiny array is not what detection needs: its shape, its kind of number, or its context is wrong."""


class InvalidParameters(ValueError):
    """The detector's parameters contradict each other, or would need more context than a segment has."""


class UnknownDetector(ValueError):
    """There is no detector of this name; the message lists those that there are."""


class DetectorUnavailable(RuntimeError):
    """The detector needs a package that is not installed; the message names it."""
