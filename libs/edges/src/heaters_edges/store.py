"""The object store itself: S3 by boto3. Blocking; `objects` calls it from threads."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from heaters_edges.failure import MissingObject, Unavailable
from heaters_edges.settings import Settings
from heaters_edges.telemetry import S3_BYTES, S3_REQUESTS

_MULTIPART = TransferConfig(multipart_threshold=32 * 1024**2, multipart_chunksize=16 * 1024**2, max_concurrency=4)
_ABSENT = {"404", "NoSuchKey", "NotFound"}


class Store(Protocol):
    """Immutable objects by key. Every call may raise MissingObject, or Unavailable when the store does not answer well."""

    def put(self, path: Path, key: str, *, content_type: str, sha256: str, storage_class: str | None = None) -> None:
        """Store a file under a key, whole or not at all."""

    def get(self, key: str, path: Path) -> None:
        """Write an object to a file."""

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length) of an object; fewer only at its end."""

    def head(self, key: str) -> tuple[int, str | None] | None:
        """An object's size in bytes and the sha256 that it was stored with; None if there is no object."""

    def delete(self, key: str) -> None:
        """Remove an object; it is no error if there is none."""

    def url(self, key: str, *, expires_s: int, name: str | None = None) -> str:
        """An address at which a browser can read the object for a while, saved under `name` if given."""

    def check(self) -> None:
        """Raise if the bucket cannot be reached."""


class S3Store:
    """A bucket of an S3 server."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.s3_bucket
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            max_pool_connections=16,
            # Every content is checked by our own sha256; trailing checksums are not known to every S3 server.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._session = boto3.session.Session(
            aws_access_key_id=settings.s3_access_key.get_secret_value(),
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            region_name=settings.s3_region,
        )
        self._client: Any = self._session.client("s3", endpoint_url=settings.s3_endpoint, config=config)
        self._public: Any = self._client
        if settings.s3_public_endpoint and settings.s3_public_endpoint != settings.s3_endpoint:
            self._public = self._session.client("s3", endpoint_url=settings.s3_public_endpoint, config=config)

    def _call(self, operation: str, call: Callable[[], Any], key: str = "") -> Any:
        S3_REQUESTS.labels(operation).inc()
        try:
            return call()
        except ClientError as problem:
            code = str(problem.response.get("Error", {}).get("Code", ""))
            if code == "NoSuchBucket":
                raise Unavailable(f"there is no bucket {self._bucket}: run `migrate` first") from problem
            if code in _ABSENT:
                raise MissingObject(f"there is no object {key} in bucket {self._bucket}") from problem
            raise Unavailable(f"the object store refused {operation} of {key}: {code} {problem}") from problem
        except (BotoCoreError, OSError) as problem:
            raise Unavailable(f"the object store did not answer {operation} of {key}: {problem}") from problem

    def put(self, path: Path, key: str, *, content_type: str, sha256: str, storage_class: str | None = None) -> None:
        """Store a file under a key; in parts when it is large, visible only when whole."""
        extra = {"ContentType": content_type, "Metadata": {"sha256": sha256}}
        if storage_class:
            extra["StorageClass"] = storage_class
        size = path.stat().st_size
        if size < _MULTIPART.multipart_threshold:
            body = path.read_bytes()
            self._call("put", lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **extra), key)
        else:
            self._call(
                "put",
                lambda: self._client.upload_file(str(path), self._bucket, key, ExtraArgs=extra, Config=_MULTIPART),
                key,
            )
        S3_BYTES.labels("put").inc(size)

    def get(self, key: str, path: Path) -> None:
        """Write an object to a file, streaming."""

        def fetch() -> int:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with path.open("wb") as file:
                written = 0
                for chunk in body.iter_chunks(1024**2):
                    written += file.write(chunk)
            return written

        S3_BYTES.labels("get").inc(self._call("get", fetch, key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """One ranged GET."""

        def fetch() -> bytes:
            wanted = f"bytes={offset}-{offset + length - 1}"
            try:
                data: bytes = self._client.get_object(Bucket=self._bucket, Key=key, Range=wanted)["Body"].read()
            except ClientError as problem:
                if problem.response.get("Error", {}).get("Code") == "InvalidRange":
                    return b""  # it begins where the object has ended already
                raise
            return data

        data: bytes = self._call("get_range", fetch, key)
        S3_BYTES.labels("get_range").inc(len(data))
        return data

    def head(self, key: str) -> tuple[int, str | None] | None:
        """One HEAD."""
        try:
            head = self._call("head", lambda: self._client.head_object(Bucket=self._bucket, Key=key), key)
        except MissingObject:
            return None
        return int(head["ContentLength"]), head.get("Metadata", {}).get("sha256")

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._call("delete", lambda: self._client.delete_object(Bucket=self._bucket, Key=key), key)

    def url(self, key: str, *, expires_s: int, name: str | None = None) -> str:
        """A presigned GET at the public endpoint."""
        parameters = {"Bucket": self._bucket, "Key": key}
        if name:
            parameters["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        url: str = self._public.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
        return url

    def check(self) -> None:
        """Ask for the bucket."""
        self._call("head_bucket", lambda: self._client.head_bucket(Bucket=self._bucket), self._bucket)

    def of_bucket(self, bucket: str) -> "S3Store":
        """The same server and credentials, another bucket."""
        other = copy(self)
        other._bucket = bucket
        return other

    def create_bucket(self) -> None:
        """Make the bucket unless it is there."""
        try:
            self.check()
        except MissingObject:
            self._call("create_bucket", lambda: self._client.create_bucket(Bucket=self._bucket), self._bucket)
