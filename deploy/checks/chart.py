"""The chart's copy of the PIPELINE table: `python -m deploy.checks.chart FILE`. A test compares what is committed."""

import sys
from pathlib import Path

from heaters_contracts.fact import LANES
from heaters_contracts.pipeline import FACTS_STREAM, PIPELINE, MiB


def pipeline_file() -> str:
    """YAML that the templates read."""
    lines = [
        "# Made from heaters_contracts.pipeline.PIPELINE by `make docs`; do not edit.",
        f"stream: {FACTS_STREAM}",
        "stages:",
    ]
    for work in PIPELINE:
        lines += [
            f"  - name: {work.name}",
            f"    service: {work.by}",
            f"    deadlineSeconds: {work.deadline_s}",
            f"    memoryMiB: {work.memory_bytes // MiB}",
            "    consumers:",
            *(f"      {lane}: {work.consumer(lane)}" for lane in LANES),
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(pipeline_file())
