"""Looks at what Heaters is made of: `python -m deploy.checks.audit [--bom FOLDER]`; exit code 1 when the policy beside it is broken.

Offline it holds: every package of every service is pinned in constraints.txt at the version that is installed, has a licence that may be,
is none of those that nobody looks after, and is not below a version whose hole we know of. It cannot know of holes that were found since
the policy was written: where an advisory service can be reached, `pip-audit -r constraints.txt` says those, and is run if it is installed.
Whether a version was withdrawn ("yanked") is asked of the registry by its ordinary client, where it can be reached.

With `--bom` it writes what each service is made of, as CycloneDX 1.6, without building its image.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from heaters_contracts.pipeline import SERVICES
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
POLICY = Path(__file__).with_name("audit.toml")
_OPERATORS = re.compile(r" (?:AND|OR) |; ")
_ASK_S = 120


def named(name: str) -> str:
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lines: Iterable[str]) -> dict[str, Version]:
    """The versions that constraints.txt pins for this machine, by name.

    Raises:
        ValueError: a line pins nothing.
    """
    found = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        wanted = Requirement(line)
        (pin, *more) = wanted.specifier or (None,)
        if pin is None or more or pin.operator != "==":
            raise ValueError(f"{line!r} pins no version")
        if wanted.marker is None or wanted.marker.evaluate():
            found[named(wanted.name)] = Version(pin.version)
    return found


def made_of(service: str) -> dict[str, Distribution]:
    """Every package that a service needs here, however indirectly, by name; our own ones are not among them."""
    found: dict[str, Distribution] = {}
    asked: dict[str, set[str]] = {}

    def follow(name: str, extras: set[str]) -> None:
        if name in asked and extras <= asked[name]:
            return
        asked.setdefault(name, set()).update(extras)
        try:
            one = distribution(name)
        except PackageNotFoundError:
            return  # of another platform
        if not name.startswith("heaters-"):
            found[name] = one
        for said in one.requires or ():
            wanted = Requirement(said)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                follow(named(wanted.name), set(wanted.extras))

    follow(f"heaters-{service}", set())
    return found


def licences(one: Distribution) -> list[str]:
    """What a package says of its licence, part by part; nothing where it says nothing."""
    told: dict[str, list[str]] = {
        name: one.metadata.get_all(name) or [] for name in ("License-Expression", "Classifier", "License")
    }
    classes = [c.rpartition(" :: ")[2] for c in told["Classifier"] if c.startswith("License ::")]
    said = "; ".join(told["License-Expression"] or classes) or "".join(told["License"]).partition("\n")[0]
    parts = [part.strip() for part in _OPERATORS.split(said)]
    whole = [part if part.count("(") == part.count(")") else part.strip("()") for part in parts]
    return [part for part in whole if part and part != "UNKNOWN"]


def problems(
    parts: Mapping[str, Distribution], pins: Mapping[str, Version], policy: Mapping[str, Any]
) -> Iterator[str]:
    """What is wrong with these packages by the policy."""
    for name, one in sorted(parts.items()):
        version = Version(one.version)
        if name not in pins:
            yield f"{name} is not pinned in constraints.txt"
        elif pins[name].public != version.public:
            yield f"{name} is {version} here, and {pins[name]} in constraints.txt"
        if name in policy["never"]:
            yield f"{name} may not be a part: {policy['never'][name]}"
        if name in policy["least"] and version < Version(policy["least"][name][0]):
            yield f"{name} {version} is below {policy['least'][name][0]}: {policy['least'][name][1]}"
        strange = [licence for licence in licences(one) if licence not in policy["licences"]]
        if name not in policy["licence_exceptions"] and (strange or not licences(one)):
            yield f"{name} has the licence {', '.join(strange) or 'of nobody knows what'}"


def withdrawn(constraints: Path) -> list[str] | None:
    """The pinned versions that the registry has withdrawn; None where it cannot be asked."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        return None
    command = [uv, "pip", "install", "--dry-run", "--no-deps", "--reinstall", "--python", sys.executable]
    try:
        asked = subprocess.run(
            [*command, "--requirement", str(constraints)], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if asked.returncode:
        return None
    return [line.strip() for line in asked.stderr.splitlines() if "yanked" in line.lower()]


def bom(service: str, parts: Mapping[str, Distribution]) -> dict[str, Any]:
    """CycloneDX 1.6 of a service's packages."""
    components = [
        {
            "type": "library",
            "name": name,
            "version": one.version,
            "purl": f"pkg:pypi/{name}@{one.version}",
            "licenses": [{"license": {"name": licence}} for licence in licences(one)],
        }
        for name, one in sorted(parts.items())
    ]
    about = {"type": "container", "name": f"heaters-{service}"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": about},
        "components": components,
    }


def main() -> int:
    """Say what is wrong, and what could not be found out."""
    arguments = argparse.ArgumentParser(prog="python -m deploy.checks.audit", description="Check what we are made of.")
    arguments.add_argument("--bom", type=Path, metavar="FOLDER", help="write each service's parts there, as CycloneDX")
    arguments.add_argument("--offline", action="store_true", help="ask no registry and no advisory service")
    wishes = arguments.parse_args()
    constraints, policy = ROOT / "constraints.txt", tomllib.loads(POLICY.read_text())
    pins = pinned(constraints.read_text().splitlines())
    parts = {service: made_of(service) for service in SERVICES}
    together = {name: one for each in parts.values() for name, one in each.items()}
    wrong = list(problems(together, pins, policy))
    say = sys.stdout.write
    say(f"{len(together)} packages in {len(parts)} services, {len(pins)} pinned\n")
    if wishes.bom:
        wishes.bom.mkdir(parents=True, exist_ok=True)
        for service, each in parts.items():
            (wishes.bom / f"{service}.cdx.json").write_text(json.dumps(bom(service, each), indent=1) + "\n")
    if not wishes.offline:
        yanked = withdrawn(constraints)
        say("not known: whether a version was withdrawn, for no registry answers\n" if yanked is None else "")
        wrong += [f"withdrawn: {line}" for line in yanked or ()]
        auditor = shutil.which("pip-audit")
        if auditor is None:
            say("not known: holes that were found since the policy was written, for there is no pip-audit here\n")
        elif subprocess.run([auditor, "--requirement", str(constraints), "--no-deps"], check=False).returncode:
            wrong.append("pip-audit found something, or could not ask")
    for line in wrong:
        say(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
