"""What an image is made of, as CycloneDX 1.6: `sbom.py SERVICE FILE`. Read from what is installed, not from what was asked for."""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any


def component(found: Distribution) -> dict[str, Any]:
    """One Python package."""
    name, version = found.metadata["Name"], found.version
    license_ = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    said: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
    }
    if license_ and len(license_) < 100:
        said["licenses"] = [{"license": {"name": license_.splitlines()[0]}}]
    return said


def debian(status: Path) -> list[dict[str, Any]]:
    """The base's packages, from dpkg's own list."""
    found = []
    for entry in status.read_text().split("\n\n") if status.exists() else ():
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line.startswith(" "))
        if "Package" in fields and "installed" in fields.get("Status", ""):
            name, version = fields["Package"], fields["Version"]
            found.append(
                {"type": "library", "name": name, "version": version, "purl": f"pkg:deb/debian/{name}@{version}"}
            )
    return found


if __name__ == "__main__":
    service, file = sys.argv[1:3]
    parts = [component(found) for found in distributions()] + debian(Path("/var/lib/dpkg/status"))
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"heaters-{service}"}},
        "components": sorted(parts, key=lambda part: part["purl"]),
    }
    Path(file).write_text(json.dumps(bom, indent=1) + "\n")
