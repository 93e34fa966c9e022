"""Settings: one frozen model a service, read from HEATERS_* in the environment. Addresses and secrets have no default."""

import socket
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

from heaters_contracts.fact import LANES, Lane
from heaters_contracts.pipeline import PIPELINE
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """What every service needs to reach its edges."""

    model_config = SettingsConfigDict(
        env_prefix="HEATERS_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # what is wrong may be a secret
        env_ignore_empty=True,  # what a compose file hands on unset arrives as "": that is missing, too
    )

    nats_url: str = Field(
        repr=False,  # it may hold a password
        description="address of NATS, nats://host:port; several are parted by commas",
    )
    nats_user: str | None = Field(None, description="NATS user, where the server asks for one")
    nats_password: SecretStr | None = Field(None, description="NATS password")
    s3_endpoint: str = Field(description="address of the S3 server, http(s)://host:port")
    s3_public_endpoint: str | None = Field(None, description="the S3 address that browsers reach; for presigned URLs")
    s3_bucket: str = Field(description="the bucket of all objects")
    s3_region: str = Field("us-east-1", description="the bucket's region")
    s3_access_key: SecretStr = Field(description="S3 access key")
    s3_secret_key: SecretStr = Field(description="S3 secret key")
    cache_dir: Path = Field(description="the node's artifact cache; one volume for all containers of a node")
    cache_limit_bytes: int = Field(20 * 1024**3, gt=0, description="size limit of the node cache")
    free_space_bytes: int = Field(500 * 1024**2, ge=0, description="below this much free disk no new work is taken")
    listen: str = Field(description="host:port of health, metrics (and of the API in review-api)")
    lanes: Annotated[tuple[Lane, ...], NoDecode] = Field(LANES, description="lanes served, parted by commas")
    stages: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="kinds of work that this process does, parted by commas; without it, all of its service's"
    )
    grace_s: float = Field(25, ge=0, description="how long a job may go on after SIGTERM before it is handed back")
    retry_base_s: float = Field(2, gt=0, description="delay before the first retry; it doubles with each attempt")
    ack_wait_s: float = Field(
        30,
        ge=1,
        description="a message that nobody has been heard of for so long goes to somebody else; heartbeats are three times as frequent",
    )
    burst_failures: int = Field(
        5,
        ge=0,
        description="a stage that gives up messages of so many videos in a row rests instead of giving up more; 0: never",
    )
    burst_cooldown_s: float = Field(
        60, gt=0, description="how long such a stage rests before it tries again; it doubles while nothing succeeds"
    )
    one_message: bool = Field(False, description="do one message and exit, for jobs")
    otlp_endpoint: str | None = Field(None, description="where traces go, OTLP over HTTP; none are sent without it")
    service_instance: str = Field(
        default_factory=socket.gethostname,
        description="this replica's name in logs and facts",
        json_schema_extra={"default_is": "the host's name"},
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("lanes", "stages", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("stages")
    @classmethod
    def _in_the_pipeline(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [work.name for work in PIPELINE]
        if strangers := set(value) - set(known):
            raise ValueError(f"{', '.join(sorted(strangers))} is no kind of work; there are {', '.join(known)}")
        return value

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 1 << 16):
            raise ValueError(f"must be host:port, like 127.0.0.1:8080, not {value!r}")
        return value

    @property
    def host(self) -> str:
        """The host part of `listen`."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port part of `listen`."""
        return int(self.listen.rpartition(":")[2])


S = TypeVar("S", bound=Settings)


def load(model: type[S]) -> S:
    """Read a service's settings, or end the process with what is missing or wrong, by name. Nothing is connected before."""
    try:
        return model()
    except ValidationError as problem:
        for error in problem.errors(include_url=False, include_input=False):
            if not error["loc"]:  # what several settings must be together; the message names them
                sys.stderr.write(f"the settings do not fit together: {error['msg']}\n")
                continue
            name = f"HEATERS_{str(error['loc'][0]).upper()}"
            field = model.model_fields.get(str(error["loc"][0]))
            what = "is not set" if error["type"] == "missing" else f"is wrong: {error['msg']}"
            hint = f" ({field.description})" if field and field.description else ""
            sys.stderr.write(f"{name} {what}{hint}\n")
        raise SystemExit(2) from None
