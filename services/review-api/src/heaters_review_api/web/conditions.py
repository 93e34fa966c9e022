"""`If-Match` (RFC 9110, section 13.1.1): a decision that is asked for on a certain version of its video alone.

The version is what every view of a clip tells, and the `ETag` of a video's page and of a clip. Stages tell of a video all the time; what
they tell does not count, except for cuts that they find, for nobody decides about it.
"""

import re
from typing import Annotated

from litestar.params import HeaderParameter

from heaters_review_api.web.problems import Problem

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=200,
        description="the version of the video that this is about; refused with 412, and what has changed, if it was decided about since",
        schema_extra={"pattern": r'^(\*|"?[0-9]{1,18}"?)$'},
    ),
]
_VERSION = re.compile(r'"?([0-9]{1,18})"?')


def etag(version: int) -> str:
    """A video's version as an entity tag."""
    return f'"{version}"'


def version_in(said: str | None) -> int | None:
    """The version that a request may be carried out on; None for any.

    Raises:
        Problem: it is none.
    """
    if said is None or said.strip() == "*":
        return None
    found = _VERSION.fullmatch(said.strip())
    if found is None:
        raise Problem(
            400, "No such version", f'If-Match: {said[:80]!r} is no version of a video, such as "1041", and not *.'
        )
    return int(found[1])
