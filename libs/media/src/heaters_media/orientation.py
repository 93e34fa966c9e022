"""Which way up a picture is coded. Every frame says it anew; nothing else in a film does reliably."""

from __future__ import annotations

import math
import struct
from typing import cast

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """What makes a decoded picture upright.

    Returns:
        The clockwise turn, 0, 90, 180 or 270 degrees, and whether the picture is to be mirrored left to right before it.
    """
    try:
        matrix = cast("SideDataContainer", frame.side_data)[Type.DISPLAYMATRIX]  # the stubs know one kind only
    except KeyError:
        return 0, False
    except ValueError:
        # PyAV 18 gives none of a frame's side data where some is of a kind that it has no name for, such as Exif in motion JPEG or the
        # displays of a spatial film. It still says how far the picture is turned, counterclockwise.
        return round(-frame.rotation / 90) * 90 % 360, False
    # 16.16 fixed point, rows (a, b, u), (c, d, v), (x, y, w): a point moves to (a x + c y, b x + d y), y down (14496-12, 8.3.2).
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    mirrored = a * d - b * c < 0
    turn = math.degrees(math.atan2(-b if mirrored else b, -a if mirrored else a))
    return round(turn / 90) * 90 % 360, mirrored
