"""Every setting is in one table, and nothing anywhere names one that is not."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.checks.settings import all_settings, model_of, settings_of, settings_page

ROOT = Path(__file__).parents[2]
NO_SETTINGS = {"HEATERS_PROGRESS"}
"""A stream's name."""


def test_the_page_of_settings_is_made_from_the_models() -> None:
    committed = (ROOT / "docs" / "settings.md").read_text()

    assert committed == settings_page(), "run `make docs`"


def test_the_table_says_what_is_asked_of_it() -> None:
    rows = {one.name: one for one in all_settings()}

    assert rows["HEATERS_GRACE_S"].unit == "seconds"
    assert rows["HEATERS_GRACE_S"].default == "`25`"
    assert rows["HEATERS_NATS_URL"].required
    assert rows["HEATERS_NATS_URL"].secret
    assert rows["HEATERS_DATABASE_URL"].read_by == ("review-api",)
    assert rows["HEATERS_LANES"].default == "`interactive,bulk`"
    assert "HEATERS_DATABASE_URL" not in settings_of("scenes")


def test_every_variable_that_is_named_anywhere_is_in_the_table() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout: cannot know what is committed")
    known = {one.name for one in all_settings()} | NO_SETTINGS
    strangers = {
        f"{name}: {said}"
        for name in filter(None, tracked.stdout.split("\0"))
        if (ROOT / name).is_file() and not {"tests", "benchmarks", "Makefile", ".ci"} & set(Path(name).parts)
        for said in re.findall(r"\bHEATERS_[A-Z0-9]+(?:_[A-Z0-9]+)*\b(?!_)", (ROOT / name).read_text(errors="ignore"))
        if said not in known
    }

    assert not strangers, "\n".join(sorted(strangers))


def test_every_setting_of_a_model_is_read_by_some_code() -> None:
    code = "\n".join(
        path.read_text()
        for folder in ("libs", "services", "deploy/local")
        for path in ROOT.glob(f"{folder}/**/*.py")
        if "tests" not in path.parts
    )
    fields = {
        field
        for service in ("downloader", "preprocessor", "scenes", "exporter", "embedder", "review-api")
        for field in model_of(service).model_fields
    }

    assert not [field for field in sorted(fields) if not re.search(rf"\.{field}\b", code)]
