"""Makes docs/reliability.md of what runs of the faults have written down: `python tests/faults/table.py RESULTS PAGE`."""

import json
import sys
from pathlib import Path
from statistics import median

HEAD = """# Reliability

What was done to Heaters, how often, and what came of it. `make reliability` runs the faults of `tests/faults` on real servers and real
processes, and writes this table from what they have written down; nobody edits it. Lost: facts, verdicts or objects that were
there before and not afterwards. Doubled: facts that were told twice. Recovery: from the end of the fault to the next result,
the median of the tries, on the machine that ran it, however busy. What a killed worker had in hand goes to another after the ack wait
(30 s unless a test sets it); what a stopped one has is handed over at once.

| fault | times tried | lost | doubled | time to recover |
|---|---|---|---|---|
"""


def page(lines: list[dict[str, object]]) -> str:
    """The page, a row for each fault in the order in which they were tried first."""
    by_fault: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_fault.setdefault(str(line["fault"]), []).append(line)
    rows = [
        f"| {fault} | {total(runs, 'tried')} | {total(runs, 'lost')} | {total(runs, 'doubled')} | "
        f"{median(float(str(run['recovered_s'])) for run in runs):.1f} s |"
        for fault, runs in by_fault.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def total(runs: list[dict[str, object]], name: str) -> int:
    return sum(int(str(run[name])) for run in runs)


if __name__ == "__main__":
    results, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.write_text(page([json.loads(line) for line in results.read_text().splitlines()]))
