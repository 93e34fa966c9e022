"""Words as people type them into a search: `harbour "blue hour" -fog boat*`."""

import re
from dataclasses import dataclass

MOST_TERMS = 32
_TERM = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_LETTERS = re.compile(r"\w", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a phrase that must stand in a clip's words, or must not."""

    text: str
    prefix: bool = False
    """Any word that begins so."""
    refused: bool = False


def terms(typed: str) -> tuple[Term, ...]:
    """Read what was typed: words, "phrases", beginnings* and -refusals.

    Args:
        typed: any text; what has no letter or digit in it says nothing.

    Returns:
        All that must hold, in order.

    Raises:
        ValueError: more terms than MOST_TERMS.
    """
    found = []
    for match in _TERM.finditer(typed.replace("\x00", " ")):
        said = match["phrase"] if match["phrase"] is not None else match["word"]
        prefix = match["phrase"] is None and said.endswith("*")
        said = said.rstrip("*") if prefix else said
        if _LETTERS.search(said):
            found.append(Term(said, prefix=prefix, refused=match["no"] == "-"))
    if len(found) > MOST_TERMS:
        raise ValueError(f"at most {MOST_TERMS} words can be searched for at once, not {len(found)}")
    return tuple(found)
