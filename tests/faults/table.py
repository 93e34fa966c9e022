"""Makes docs/reliability.md of what runs of the faults have written down: `python tests/faults/table.py RESULTS PAGE`."""

import json
import sys
from pathlib import Path
from statistics import median

HEAD = """# Reliability

What was done to Heaters, how often, and what came of it. `make reliability` runs the faults of `tests/faults` on real servers and real
processes, and writes this table from what they have counted; nobody edits it. Checked: what was looked for at the end, one by one:
facts, verdicts, rows of tables, and objects by the hash of their content. Lost: what of that was not there. Doubled: what was there more
often than it should be, or should not be there at all. Recovery: from the end of the fault to the next result, the median of the tries,
on the machine that ran it, however busy; a dash where nothing had to recover. What a killed worker had in hand goes to another after
the ack wait (30 s unless a test sets it); what a stopped one has is handed over at once.

| fault | times tried | checked | lost | doubled | time to recover |
|---|---|---|---|---|---|
"""


def page(lines: list[dict[str, object]]) -> str:
    """The page, a row for each fault in the order in which they were tried first."""
    by_fault: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_fault.setdefault(str(line["fault"]), []).append(line)
    rows = [
        f"| {fault} | {' | '.join(str(total(runs, name)) for name in ('tried', 'checked', 'lost', 'doubled'))} |"
        f" {recovery(runs)} |"
        for fault, runs in by_fault.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def total(runs: list[dict[str, object]], name: str) -> int:
    return sum(int(str(run[name])) for run in runs)


def recovery(runs: list[dict[str, object]]) -> str:
    took_s = [float(str(run["recovered_s"])) for run in runs if run["recovered_s"] is not None]
    return f"{median(took_s):.1f} s" if took_s else "-"


if __name__ == "__main__":
    results, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.write_text(page([json.loads(line) for line in results.read_text().splitlines()]))
