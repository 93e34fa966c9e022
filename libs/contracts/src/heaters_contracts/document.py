"""The pipeline as a page, made from the table: `python -m heaters_contracts.document FILE`. A test compares what is committed."""

import sys
from pathlib import Path

from heaters_contracts.fact import REGISTRY, Fact
from heaters_contracts.pipeline import PIPELINE, MiB


def pipeline_page() -> str:
    """Markdown: the kinds of work, then every fact with who tells it and who hears it."""
    lines = [
        "# The pipeline",
        "",
        "Made from `heaters_contracts.pipeline.PIPELINE` by `make docs`; do not edit.",
        "",
        "## Kinds of work",
        "",
        "| work | service | hears | tells | attempts | deadline | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for work in PIPELINE:
        tells = ", ".join(f"`{fact.TYPE}`" for fact in work.produces)
        lines.append(
            f"| {work.name} | {work.by} | `{work.consumes.TYPE}` | {tells} | {work.attempts} | {work.deadline_s} s"
            f" | {work.memory_bytes // MiB} MiB |"
        )
    lines += [
        "",
        "## Facts",
        "",
        "| fact | told by | heard by, beside review-api | what it says |",
        "|---|---|---|---|",
    ]
    for (type_, version), fact in sorted(REGISTRY.items()):
        lines.append(f"| `{type_}.v{version}` | {_tellers(fact)} | {_hearers(fact)} | {_first_line(fact)} |")
    return "\n".join(lines) + "\n"


def _tellers(fact: type[Fact]) -> str:
    if fact.TYPE == "stage.failed":
        return "any stage"
    return ", ".join(f"{w.by} ({w.name})" for w in PIPELINE if fact in w.produces) or "review-api"


def _hearers(fact: type[Fact]) -> str:
    return ", ".join(f"{w.by} ({w.name})" for w in PIPELINE if w.consumes is fact) or "-"


def _first_line(fact: type[Fact]) -> str:
    return (fact.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(pipeline_page())
