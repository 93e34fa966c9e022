"""What review-api needs beside every service's settings."""

from ipaddress import ip_network
from typing import Annotated, Any, Self

from heaters_contracts.addresses import AddressPolicy
from heaters_edges.settings import Settings as EdgeSettings
from pydantic import Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode

from heaters_review_api.accounts.principals import Role
from heaters_review_api.core.requesters import Terms


class Settings(EdgeSettings):
    """Settings of review-api, from HEATERS_*."""

    database_url: SecretStr = Field(description="Postgres, postgresql+psycopg://user:password@host:port/database")
    nats_replicas: int = Field(
        1,
        ge=1,
        le=5,
        description="servers of NATS that keep each stream and bucket: 3 where there are three; for `migrate`",
    )
    database_connections: int = Field(10, ge=2, description="connections to Postgres that one replica may hold")
    lock_wait_s: float = Field(
        5,
        ge=0,
        description="how long a query waits for a lock that another session holds, before the answer is 503; 0: for ever",
    )
    slow_query_s: float = Field(1, gt=0, description="a statement to Postgres that takes longer is told in the log")
    token: SecretStr | None = Field(
        None,
        min_length=8,
        description="local mode: who has this one word may do everything; leave it out where there are accounts",
    )
    public_url: str | None = Field(
        None, description="the address that browsers use, https://host; requests that change something come from there"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, parted by commas",
    )
    session_s: float = Field(12 * 3600, gt=0, description="how long one stays signed in at most")
    session_idle_s: float = Field(
        2 * 3600, gt=0, description="how long one stays signed in without asking for anything"
    )
    sign_in_attempts: int = Field(6, ge=1, description="wrong passwords in a row after which an account is locked")
    lock_out_s: float = Field(900, gt=0, description="how long a locked account stays so")
    sign_ins_per_min: float = Field(30, gt=0, description="attempts to sign in that one address may make in a minute")
    requests_per_s: float = Field(
        200, gt=0, description="requests that one person or program may go on to send; ten times as many in a burst"
    )
    oidc_issuer: str | None = Field(None, description="OpenID Connect: the identity provider's issuer, https://...")
    oidc_client_id: str | None = Field(None, description="OpenID Connect: what the provider calls us")
    oidc_client_secret: SecretStr | None = Field(None, description="OpenID Connect: our secret; none with PKCE alone")
    oidc_roles_claim: str = Field("groups", description="OpenID Connect: the claim that says what somebody may do")
    oidc_roles: Annotated[tuple[tuple[str, Role], ...], NoDecode] = Field(
        (), description="OpenID Connect: group=role, parted by commas; who has no role may not come in"
    )
    oidc_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="OpenID Connect: private hosts, host:port or ranges that the provider may name beside its own, parted by commas",
    )
    client_patience_s: float = Field(
        20,
        gt=0,
        description="how long a slow client is waited for: for the head of its request, and then a second for each KiB of its body",
    )
    upload_limit_bytes: int = Field(20 * 1024**3, gt=0, description="size limit of one uploaded file")
    upload_part_bytes: int = Field(
        16 * 1024**2, ge=5 * 1024**2, le=5 * 1024**3, description="size of the parts in which large files are uploaded"
    )
    upload_expires_s: int = Field(
        3600, ge=60, le=7 * 24 * 3600, description="how long the address of a part may be used"
    )
    upload_kept_s: float = Field(
        3 * 24 * 3600, gt=0, description="an upload in parts that nobody goes on with is dropped after so long"
    )
    playback_whole_bytes: int = Field(
        64 * 1024**2,
        ge=0,
        description="clips of more bytes are sent to players piece by piece: never held in memory whole, and not kept",
    )
    playback_cache_bytes: int = Field(
        1024**3, ge=0, description="disk for finished clips, ready to be played; in the cache's folder"
    )
    playback_cache_age_s: float = Field(
        14 * 24 * 3600, gt=0, description="a finished clip that was not played for so long is removed"
    )
    playback_sweep_s: float = Field(4 * 3600, gt=0, description="how often the finished clips are swept")
    frames_cache_bytes: int = Field(64 * 1024**2, ge=0, description="memory for pictures of single frames")
    ledgers_kept: int = Field(512, ge=1, description="packet indexes and frame tables that are kept in memory")
    download_expires_s: int = Field(300, ge=1, description="how long the address of an export may be used")
    cdn_url: str | None = Field(
        None,
        description="a caching proxy in front of this desk that browsers fetch clips from, https://host; none without it",
    )
    cdn_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="what the addresses of clips at HEATERS_CDN_URL are signed with; all replicas have the same",
    )
    cdn_expires_s: int = Field(
        3600, ge=2, description="how long such an address may be used; for half of it everybody is given the same"
    )
    cut_distance_frames: int = Field(
        6, ge=1, description="the shortest clip that a person may make by adding or moving a cut"
    )
    lease_s: float = Field(
        90, gt=0, description="how long clips that were handed to a reviewer are kept for them without a sign of life"
    )
    question_timeout_s: float = Field(
        10, gt=0, description="how long a search by text or picture waits for the embedder's answer"
    )
    requesters: SecretStr | None = Field(
        None,
        description="JSON: on which terms each requester may ask ('*': all others): lanes, videos_per_day, unfinished_most, sources, webhook_secret, auto_rule",
    )
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private hosts, host:port or ranges that webhooks may be sent to all the same, parted by commas"
    )
    webhook_patience_s: float = Field(
        24 * 3600, gt=0, description="how long a webhook that nobody takes is tried again"
    )
    decision_timeout_s: float = Field(10, gt=0, description="how long a decision waits for the projection to show it")

    @field_validator("requesters")
    @classmethod
    def _terms_are_some(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _read_terms(value)
        return value

    @property
    def terms(self) -> dict[str, Terms]:
        """The terms of requesters, by name."""
        return {} if self.requesters is None else _read_terms(self.requesters)

    @field_validator("webhook_hosts", "oidc_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AddressPolicy.parse(value)
        return value

    @field_validator("trusted_proxies", "webhook_hosts", "oidc_hosts", mode="before")
    @classmethod
    def _parted_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, (p.strip() for p in value.split(",")))) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)  # raises ValueError with what is wrong; "*" is no network, and would trust everybody
        return value

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(tuple(p.strip().rpartition("=")[::2]) for p in value.split(",") if p.strip())

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        parts = {
            "HEATERS_OIDC_ISSUER": self.oidc_issuer,
            "HEATERS_OIDC_CLIENT_ID": self.oidc_client_id,
            "HEATERS_OIDC_ROLES": self.oidc_roles,
        }
        missing = [name for name, said in parts.items() if not said]
        if self.oidc_issuer and not self.oidc_issuer.startswith(("https://", "http://")):
            raise ValueError("HEATERS_OIDC_ISSUER must begin with https://")
        if self.oidc_issuer and (missing or not self.public_url):
            raise ValueError(f"sign-in by OpenID Connect needs {', '.join(missing or ['HEATERS_PUBLIC_URL'])}, too")
        return self

    @model_validator(mode="after")
    def _cdn_is_whole(self) -> Self:
        if self.cdn_url and not self.cdn_url.startswith(("https://", "http://")):
            raise ValueError("HEATERS_CDN_URL must begin with https://")
        if bool(self.cdn_url) != bool(self.cdn_key):
            raise ValueError("HEATERS_CDN_URL and HEATERS_CDN_KEY go together")
        return self

    @property
    def is_public_secure(self) -> bool:
        """Whether browsers reach us by https."""
        return (self.public_url or "").startswith("https://")

    @field_validator("database_url")
    @classmethod
    def _async_driver(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("must begin with postgresql+psycopg://")
        return value


def _read_terms(said: SecretStr) -> dict[str, Terms]:
    """Terms by requester.

    Raises:
        ValueError: they are not that; the values themselves, secrets among them, are never repeated.
    """
    try:
        return TypeAdapter(dict[str, Terms]).validate_json(said.get_secret_value())
    except ValidationError as problem:
        wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problem.errors(include_input=False))
        raise ValueError("; ".join(wrong)) from None
