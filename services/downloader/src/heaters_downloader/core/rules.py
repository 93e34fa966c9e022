"""What a configuration may not do: quality is never capped in silence. Each refusal names its rule."""

import re
from collections.abc import Mapping
from typing import Any

_HEIGHT = re.compile(
    r"(height|width|res|vbr|tbr|abr|filesize(_approx)?|fps)\s*(<=?|=|!?[\^$*~]?=)\s*\??\s*[\d.]+", re.IGNORECASE
)
_WORST = re.compile(r"(^|[/+,(\s])(worst\w*\*?|w[va]?\*?)(?=$|[/+,)\[\s.])", re.IGNORECASE)
_SMALL_FIRST = re.compile(
    r"^\+(height|width|res|size|filesize|br|tbr|vbr|abr|fps|hasvid|hasaud|quality)", re.IGNORECASE
)
_CAPPED_SORT = re.compile(r"^(height|width|res|fps|tbr|vbr|size|filesize)\s*[:~]\s*[\d.]+", re.IGNORECASE)
_CLIENTS = ("player_client", "client", "clients", "player_skip", "skip")
_ALLOWED = frozenset(
    {
        *(
            "format",
            "format_sort",
            "extractor_args",
            "reasons",
            "concurrent_fragment_downloads",
            "sleep_interval_requests",
        ),
        *("http_chunk_size", "throttledratelimit", "geo_bypass_country", "ratelimit"),
    }
)


class CapsQuality(ValueError):
    """A configuration that would lose quality, or one that cannot be judged.

    Attributes:
        rule: the rule that it breaks.
    """

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


def check_options(options: Mapping[str, Any]) -> None:
    """Look at what somebody wants to set for yt-dlp.

    `reasons` may give, for a name of an argument such as `youtube.player_client`, why it is needed: a client that is restricted
    without a reason is refused, for some clients see no more than a few small versions.

    Args:
        options: yt-dlp's own names; only those that do not open another way around our limits are known.

    Raises:
        CapsQuality: names the rule: `unknown_option`, `no_height_cap`, `never_worst`, `best_first`, `client_needs_a_reason`.
    """
    if unknown := sorted(options.keys() - _ALLOWED):
        raise CapsQuality("unknown_option", f"{', '.join(unknown)}; there are {', '.join(sorted(_ALLOWED))}")
    expression = str(options.get("format", ""))
    for part in re.findall(r"\[([^\]]*)\]", expression):
        if _HEIGHT.search(part) and not re.search(r">", part):
            raise CapsQuality("no_height_cap", f"the format {expression!r} leaves out what is better: [{part}]")
    if _WORST.search(re.sub(r"\[[^\]]*\]", "", expression)):
        raise CapsQuality("never_worst", f"the format {expression!r} asks for the worst")
    sorts = options.get("format_sort", ())
    for entry in [sorts] if isinstance(sorts, str) else sorts:
        if _SMALL_FIRST.match(str(entry).strip()):
            raise CapsQuality("best_first", f"the sort {entry!r} puts the smaller first")
        if _CAPPED_SORT.match(str(entry).strip()):
            raise CapsQuality("no_height_cap", f"the sort {entry!r} prefers what lies below a limit")
    reasons = options.get("reasons", {})
    for extractor, arguments in dict(options.get("extractor_args", {})).items():
        for name in arguments:
            if name in _CLIENTS and not str(reasons.get(f"{extractor}.{name}", "")).strip():
                raise CapsQuality(
                    "client_needs_a_reason",
                    f"{extractor}.{name} restricts which clients are asked; say why in `reasons`",
                )
