"""Every setting as one table, made from the settings models: `python -m deploy.checks.settings FILE`. A test compares what is committed."""

import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin

from heaters_contracts.pipeline import SERVICES
from heaters_edges.settings import Settings
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_UNITS = {"s": "seconds", "ms": "milliseconds", "bytes": "bytes", "frames": "frames", "px": "pixels", "days": "days"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One HEATERS_* variable, and who reads it."""

    name: str
    meaning: str
    unit: str
    default: str
    read_by: tuple[str, ...]
    required: bool = False
    secret: bool = False


OTHERS = (
    Setting(
        "HEATERS_HOME",
        "where `heaters` keeps data, logs and state on one machine",
        "path",
        "`.local`",
        ("heaters command",),
    ),
    Setting(
        "HEATERS_URL",
        "the review API that `heaters` talks to, instead of its own",
        "address",
        "-",
        ("heaters command",),
    ),
)
"""What is read elsewhere than by a service's settings model."""


def model_of(service: str) -> type[Settings]:
    """The settings model of a service: its own where it has one, else what every service reads."""
    module = f"heaters_{service.replace('-', '_')}.settings"
    if find_spec(module) is None:
        return Settings
    own = [
        found
        for found in vars(import_module(module)).values()
        if isinstance(found, type) and issubclass(found, Settings) and found.__module__ == module
    ]
    if len(own) != 1:
        raise ValueError(f"{module} has {len(own)} settings models; one is expected")
    return own[0]


def settings_of(service: str) -> dict[str, Setting]:
    """Name -> setting, of all that a service reads."""
    return {one.name: one for one in (_setting(n, f, service) for n, f in model_of(service).model_fields.items())}


def all_settings() -> list[Setting]:
    """Every setting once, by name, with all who read it."""
    found: dict[str, Setting] = {}
    for service in SERVICES:
        for name, one in settings_of(service).items():
            known = found.get(name)
            if known and (known.meaning, known.default) != (one.meaning, one.default):
                raise ValueError(f"{name} means one thing to {', '.join(known.read_by)} and another to {service}")
            readers = (*(known.read_by if known else ()), service)
            found[name] = Setting(one.name, one.meaning, one.unit, one.default, readers, one.required, one.secret)
    for other in OTHERS:
        found.setdefault(other.name, other)
    return sorted(found.values(), key=lambda one: one.name)


def _setting(field: str, info: FieldInfo, service: str) -> Setting:
    if not info.description:
        raise ValueError(f"{field} of {service} says nothing of what it means")
    return Setting(
        name=f"HEATERS_{field.upper()}",
        meaning=info.description,
        unit=_unit(field, info),
        default=_default(info),
        read_by=(service,),
        required=info.is_required(),
        secret=SecretStr in _types(info.annotation) or not info.repr,
    )


def _types(annotation: Any) -> tuple[Any, ...]:
    return (annotation, *(inner for part in get_args(annotation) for inner in _types(part)))


def _unit(field: str, info: FieldInfo) -> str:
    suffix = field.rpartition("_")[2]
    if suffix in _UNITS:
        return _UNITS[suffix]
    types = _types(info.annotation)
    if any(get_origin(one) is tuple for one in types):
        return "list"
    for kind, unit in (
        (SecretStr, "secret"),
        (bool, "true or false"),
        (Path, "path"),
        (int, "number"),
        (float, "number"),
    ):
        if kind in types:
            return unit
    return "text"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if info.default_factory is not None or info.default is PydanticUndefined:
        said = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        if "default_is" not in said:
            raise ValueError(f"a default that is computed says what it is, in default_is: {info.description}")
        return str(said["default_is"])
    if info.default is None or info.default == ():
        return "-"
    if isinstance(info.default, tuple):
        return f"`{','.join(map(str, info.default))}`"
    return (
        f"`{str(info.default).lower() if isinstance(info.default, bool) else info.default}`"
        if info.default != ""
        else "empty"
    )


def settings_page() -> str:
    """Markdown: the table."""
    lines = [
        "# Settings",
        "",
        "Made from the services' settings models by `make docs`; do not edit. A service reads them from its environment, ends at once",
        "with the name of what is missing or wrong, and never writes a secret anywhere. What is empty counts as not set.",
        "",
        "| setting | meaning | unit | default | read by |",
        "|---|---|---|---|---|",
    ]
    for one in all_settings():
        readers = "every service" if set(SERVICES) <= set(one.read_by) else ", ".join(one.read_by)
        secret = " (secret)" if one.secret and one.unit != "secret" else ""
        meaning = one.meaning.replace("|", "\\|")
        lines.append(f"| `{one.name}` | {meaning} | {one.unit}{secret} | {one.default} | {readers} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page())
