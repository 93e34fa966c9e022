"""The page of reliability says what the runs wrote down."""

import importlib.util
from pathlib import Path

spec = importlib.util.spec_from_file_location("table", Path(__file__).with_name("table.py"))
assert spec
assert spec.loader
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)


def test_runs_of_one_fault_are_one_row() -> None:
    lines = [
        {"fault": "a cut", "tried": 1, "checked": 10, "lost": 0, "doubled": 0, "recovered_s": 1.0},
        {"fault": "a kill", "tried": 5, "checked": 7, "lost": 1, "doubled": 0, "recovered_s": 2.0},
        {"fault": "a cut", "tried": 2, "checked": 20, "lost": 0, "doubled": 3, "recovered_s": 2.0},
        {"fault": "a double", "tried": 1, "checked": 4, "lost": 0, "doubled": 0, "recovered_s": None},
    ]

    rows = table.page(lines).splitlines()[-3:]

    assert rows == [
        "| a cut | 3 | 30 | 0 | 3 | 1.5 s |",
        "| a kill | 5 | 7 | 1 | 0 | 2.0 s |",
        "| a double | 1 | 4 | 0 | 0 | - |",
    ]
