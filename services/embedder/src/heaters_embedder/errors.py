"""What is wrong for good with a picture, a vector or a model. Light to import: the service knows them, its children raise them."""


class UnreadableImage(ValueError):
    """The bytes are not a whole JPEG picture of a sensible size."""


class UnknownModel(ValueError):
    """No model of this name is plugged in."""


class UnusableWeights(ValueError):
    """The model's weights are not installed, or are not this network's."""


class UnusableVector(ValueError):
    """A vector that cannot be searched for: not finite, without direction, or of another shape than was said."""


PROBLEMS = (ValueError,)
"""What can be said to whoever asked; all of the above are of its kind."""
PERMANENT = (UnreadableImage, UnknownModel, UnusableWeights, UnusableVector)
"""Trying again does not mend them."""
