"""The tree, the tables and the documents agree with the code."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from heaters_contracts.document import pipeline_page
from heaters_contracts.pipeline import PIPELINE, SERVICES

ROOT = Path(__file__).parents[2]


def test_the_pipelines_page_is_made_from_the_table() -> None:
    committed = (ROOT / "docs" / "pipeline.md").read_text()

    assert committed == pipeline_page(), "run `make docs`"


def test_every_service_of_the_pipeline_has_a_folder_and_every_folder_is_a_service() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}

    assert folders == set(SERVICES)
    assert {work.by for work in PIPELINE} <= folders


@pytest.mark.parametrize("service", [s for s in SERVICES if s != "review-api"])
def test_a_worker_has_the_four_rooms(service: str) -> None:
    package = ROOT / "services" / service / "src" / f"heaters_{service.replace('-', '_')}"

    assert {"app.py", "handler.py", "__main__.py"} <= {path.name for path in package.glob("*.py")}


def test_the_local_table_runs_every_service() -> None:
    table = tomllib.loads((ROOT / "deploy/local/src/heaters_local/table.toml").read_text())
    text = repr(table)

    for service in SERVICES:
        assert f"heaters_{service.replace('-', '_')}" in text, f"{service} is not in deploy/local's table"


def test_every_ignore_has_a_code_and_a_reason() -> None:
    bare = []
    for path in [
        *ROOT.glob("libs/**/*.py"),
        *ROOT.glob("services/**/*.py"),
        *ROOT.glob("deploy/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
    ]:
        if "node_modules" in path.parts:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for mark in re.findall(r"#\s*(type: ignore|noqa)(?!\w)(.*)", line):
                kind, rest = mark
                good = (
                    r"\[[a-z-]+(, ?[a-z-]+)*\]\s+(#|-)\s*\S+"
                    if kind == "type: ignore"
                    else r":\s*[A-Z]+\d+(, ?[A-Z]+\d+)*\s+(#|-)\s*\S+"
                )
                if not re.match(good, rest) and "re.findall" not in line:
                    bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")

    assert not bare, "\n".join(bare)


def test_committed_files_name_no_registry_and_no_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout: cannot know what is committed")
    hosts = "|".join((r"py" r"pi\.org", r"python" r"hosted\.org", r"npm" r"js\.org"))
    found = []
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and (hit := re.search(hosts, path.read_text(errors="ignore"))):
            found.append(f"{name}: {hit.group()}")

    assert not found


def test_constraints_pin_every_dependency_exactly() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip()]

    assert lines
    assert all(re.match(r"[a-z0-9][a-z0-9._-]*==[^ ]+( ;.*)?$", line) for line in lines)
