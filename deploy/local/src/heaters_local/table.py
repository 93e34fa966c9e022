"""The table of what runs on one machine, as data: `table.toml`, or another file of the same form."""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

__all__ = ["Command", "Instance", "Table", "cores", "read_table"]


@dataclass(frozen=True)
class Command:
    """A row: something to run, with places in braces still to be filled in."""

    name: str
    command: tuple[str, ...]
    replicas: int = 1
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """One process to run: a replica of a service, or what runs once."""

    name: str
    row: Command
    table_env: Mapping[str, str]

    def argv(self, facts: Mapping[str, str]) -> list[str]:
        """Its command line, filled in."""
        return [word.format_map(self._all(facts, port=0)) for word in self.row.command]

    def environment(self, facts: Mapping[str, str], *, port: int, inherited: Mapping[str, str]) -> dict[str, str]:
        """Its whole environment: what we inherit, and over it what the table says."""
        known = self._all(facts, port=port)
        said = {**self.table_env, **self.row.env}
        return {**inherited, **{key: value.format_map(known) for key, value in said.items()}}

    def _all(self, facts: Mapping[str, str], *, port: int) -> dict[str, str]:
        # Half, rounded up, of the cores for whoever would take them all.
        half = str((cores() + 1) // 2)
        return {**facts, "python": sys.executable, "instance": self.name, "port": str(port), "half_the_cores": half}


@dataclass(frozen=True)
class Table:
    """What runs on one machine.

    Attributes:
        servers: any of nats, postgres, s3; started together, first.
        once: run one after the other to their end, when the servers work.
        services: started together, last, and kept running.
        env: given to each of `once` and `services`.
        grace_s: how long a service may take to stop before it is killed.
        start_s: how long `once` and the start of the services may take together.
        silent_s: a service that lives and for so long answers nothing at all is killed and started again.
    """

    servers: tuple[str, ...]
    once: tuple[Command, ...]
    services: tuple[Command, ...]
    env: Mapping[str, str]
    grace_s: float
    start_s: float
    silent_s: float = 120

    def instances(self) -> tuple[Instance, ...]:
        """Every replica of every service, numbered from 1."""
        return tuple(
            Instance(f"{row.name}-{number}", row, self.env)
            for row in self.services
            for number in range(1, row.replicas + 1)
        )

    def steps(self) -> tuple[Instance, ...]:
        """What runs once."""
        return tuple(Instance(row.name, row, self.env) for row in self.once)


def cores() -> int:
    """How many cores this process may use; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, allowed or 1)


def read_table(file: Path | None = None) -> Table:
    """Read a table.

    Args:
        file: None for the one that the package ships.

    Raises:
        ValueError: it is not of the form, or names a server that does not exist.
    """
    text = file.read_text() if file else resources.files(__package__).joinpath("table.toml").read_text()
    try:
        data = tomllib.loads(text)
        table = Table(
            servers=tuple(data.get("servers", ())),
            once=_rows(data.get("once", ())),
            services=_rows(data.get("services", ())),
            env=dict(data.get("env", {})),
            grace_s=float(data["grace_s"]),
            start_s=float(data["start_s"]),
            silent_s=float(data.get("silent_s", 120)),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file or 'table.toml'} is no table of services: {error}") from error
    strangers = set(table.servers) - {"nats", "postgres", "s3"}
    if strangers:
        raise ValueError(f"{file or 'table.toml'} names servers that do not exist: {', '.join(sorted(strangers))}")
    return table


def _rows(data: Sequence[Mapping[str, Any]]) -> tuple[Command, ...]:
    return tuple(
        Command(
            name=row["name"],
            command=tuple(row["command"]),
            replicas=cores() if row.get("replicas") == "cores" else int(row.get("replicas", 1)),
            port=row.get("port"),
            env=dict(row.get("env", {})),
        )
        for row in data
    )
