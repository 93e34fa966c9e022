"""Pictures that people hand in to search by: hostile until read, then small."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_BYTES = 12 * 1024 * 1024
_MOST_PIXELS = 50_000_000
_LONGEST_PX = 512
_FORMATS = ("JPEG", "PNG", "WEBP")


class UnreadablePicture(ValueError):
    """What was handed in is no picture that can be searched by; the message says why."""


def small_jpeg(data: bytes) -> bytes:
    """A picture as a JPEG of at most 512 px, upright, which is all that a model looks at.

    Args:
        data: a JPEG, PNG or WebP file.

    Raises:
        UnreadablePicture: it is none of them, damaged, or far too large.
    """
    if len(data) > MOST_BYTES:
        raise UnreadablePicture(f"the picture has {len(data)} bytes, more than {MOST_BYTES}")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise UnreadablePicture(
                    f"the picture has {image.width}x{image.height} px, more than {_MOST_PIXELS:,} in all"
                )
            image.draft("RGB", (_LONGEST_PX, _LONGEST_PX))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        if isinstance(problem, UnreadablePicture):
            raise
        raise UnreadablePicture(f"these {len(data)} bytes are no whole JPEG, PNG or WebP picture") from None
    upright.thumbnail((_LONGEST_PX, _LONGEST_PX))
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=90)
    return out.getvalue()
