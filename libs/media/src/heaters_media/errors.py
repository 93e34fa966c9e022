"""What can be wrong with a film, named for the problem.

Every message is one sentence for a person and shows the values. All of these pickle, for the work runs in child processes.
"""


class BadMedia(ValueError):
    """A film that cannot be worked on; trying again will not help."""


class NotAVideo(BadMedia):
    """The file is of no known video format, or of one that is refused (playlists, pictures)."""


class NoVideoStream(BadMedia):
    """The file has no moving picture in it."""


class TooLarge(BadMedia):
    """A picture is larger than the limit, told by the header before anything is decoded."""


class TooLong(BadMedia):
    """The film has more segments than a plan can hold."""


class NoTimestamps(BadMedia):
    """Frames have no time, or share one, so that a frame index cannot be told from it."""


class Undecodable(BadMedia):
    """The data is damaged, or in a codec that cannot be read."""


class UnsupportedColours(BadMedia):
    """The picture's colour space is one that nothing here can convert."""


class FrameCountMismatch(BadMedia):
    """A decode gave another number of frames than the plan counted."""


class BadLedger(BadMedia):
    """A stored frame table or packet index breaks one of its own laws."""
