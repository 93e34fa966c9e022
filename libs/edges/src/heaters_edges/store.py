"""The object store itself: S3 by boto3. Blocking; `objects` calls it from threads."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header
from botocore.utils import get_environ_proxies

from heaters_edges import job as jobs
from heaters_edges.failure import Archived, MissingObject, Unavailable
from heaters_edges.ranged import NotPlain, RangedReader
from heaters_edges.remote import Address
from heaters_edges.settings import Settings
from heaters_edges.telemetry import S3_BYTES, S3_REQUESTS

_MULTIPART = TransferConfig(multipart_threshold=32 * 1024**2, multipart_chunksize=16 * 1024**2, max_concurrency=4)
_READABLE_AGAIN = 'ongoing-request="false"'
_ABSENT = {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_CORS = {
    "CORSRules": [
        {
            "AllowedOrigins": ["*"],
            "AllowedMethods": ["GET", "HEAD", "PUT"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges"],
            "MaxAgeSeconds": 3600,
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload that the store holds: its number, from 1, its size, and what the store calls its content."""

    number: int
    bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of the bucket, as its list shows it."""

    key: str
    bytes: int
    changed_at: datetime


class Store(Protocol):
    """Immutable objects by key. Every call may raise MissingObject, or Unavailable when the store does not answer well."""

    def put(self, path: Path, key: str, *, content_type: str, sha256: str, storage_class: str | None = None) -> None:
        """Store a file under a key, whole or not at all."""

    def put_first(self, data: bytes, key: str) -> bool:
        """Store a few bytes unless there is such an object already: of several that try at once, one wins. Returns whether we did."""

    def get(self, key: str, path: Path) -> None:
        """Write an object to a file."""

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length) of an object; fewer only at its end."""

    def head(self, key: str) -> tuple[int, str | None] | None:
        """An object's size in bytes and the sha256 that it was stored with; None if there is no object."""

    def thaw(self, key: str, *, days: int) -> None:
        """Ask that an object in cold storage be brought back for some days; asking again while it is under way is no error."""

    def thawed(self, key: str) -> bool:
        """Whether an object was brought back from cold storage and can be read now."""

    def delete(self, key: str) -> None:
        """Remove an object; it is no error if there is none."""

    def url(self, key: str, *, expires_s: int, name: str | None = None) -> str:
        """An address at which a browser can read the object for a while, saved under `name` if given."""

    def address(self, key: str, *, expires_s: int) -> Address | None:
        """Where a process without secrets can read the object for a while; None where it cannot."""

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
        # botocore asks "100-continue" before it sends a body, and where the answer to that is cut off in its middle it reads the
        # end of the connection for ever (`_consume_headers` has no end but an empty line): a worker would spin until its deadline.
        self._client.meta.events.unregister("before-call.s3", add_expect_header)
        self._ca_bundle: str | None = self._session._session.get_config_variable("ca_bundle")
        self._ranges = RangedReader(settings.s3_endpoint, self._sign, ca_bundle=self._ca_bundle)
        self._public: Any = self._client
        if settings.s3_public_endpoint and settings.s3_public_endpoint != settings.s3_endpoint:
            self._public = self._session.client("s3", endpoint_url=settings.s3_public_endpoint, config=config)

    def _sign(self, bucket: str, key: str, expires_s: int) -> str:
        url: str = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=expires_s
        )
        return url

    def _call(self, operation: str, call: Callable[[], Any], key: str = "") -> Any:
        S3_REQUESTS.labels(jobs.current().stage, operation).inc()
        try:
            return call()
        except ClientError as problem:
            code = str(problem.response.get("Error", {}).get("Code", ""))
            if code == "NoSuchBucket":
                raise Unavailable(f"there is no bucket {self._bucket}: run `migrate` first") from problem
            if code in _ABSENT:
                raise MissingObject(f"there is no object {key} in bucket {self._bucket}") from problem
            if code == "InvalidObjectState":
                raise Archived(f"{key} lies in cold storage") from problem
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

            def send() -> None:
                try:
                    self._client.upload_file(str(path), self._bucket, key, ExtraArgs=extra, Config=_MULTIPART)
                except S3UploadFailedError as problem:
                    # boto3 hides what the server said in an error that is none of botocore's.
                    if isinstance(problem.__context__, ClientError):
                        raise problem.__context__ from None
                    raise

            self._call("put", send, key)
            # Its parts are sent by threads of the transfer's own: each is a request, and beginning and completing are two.
            parts = -(-size // _MULTIPART.multipart_chunksize)
            S3_REQUESTS.labels(jobs.current().stage, "put").inc(parts + 1)
        S3_BYTES.labels(jobs.current().stage, "put").inc(size)

    def put_first(self, data: bytes, key: str) -> bool:
        """One conditional PUT (RFC 9110, section 13.1.2)."""

        def attempt() -> bool:
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*", ContentType="application/json"
                )
            except ClientError as problem:
                if str(problem.response.get("Error", {}).get("Code", "")) in _TAKEN:
                    return False
                raise
            return True

        won: bool = self._call("put_first", attempt, key)
        return won

    def get(self, key: str, path: Path) -> None:
        """Write an object to a file, streaming."""

        def fetch() -> int:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with path.open("wb") as file:
                written = 0
                for chunk in body.iter_chunks(1024**2):
                    written += file.write(chunk)
            return written

        S3_BYTES.labels(jobs.current().stage, "get").inc(self._call("get", fetch, key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """One ranged GET."""

        def fetch() -> bytes:
            with suppress(NotPlain):
                return self._ranges.get(self._bucket, key, offset, length)
            wanted = f"bytes={offset}-{offset + length - 1}"
            try:
                data: bytes = self._client.get_object(Bucket=self._bucket, Key=key, Range=wanted)["Body"].read()
            except ClientError as problem:
                if problem.response.get("Error", {}).get("Code") == "InvalidRange":
                    return b""  # it begins where the object has ended already
                raise
            return data

        data: bytes = self._call("get_range", fetch, key)
        S3_BYTES.labels(jobs.current().stage, "get_range").inc(len(data))
        return data

    def head(self, key: str) -> tuple[int, str | None] | None:
        """One HEAD."""
        try:
            head = self._call("head", lambda: self._client.head_object(Bucket=self._bucket, Key=key), key)
        except MissingObject:
            return None
        return int(head["ContentLength"]), head.get("Metadata", {}).get("sha256")

    def thaw(self, key: str, *, days: int) -> None:
        """One RestoreObject, of the plain tier: hours, and the least money."""

        def ask() -> None:
            wanted = {"Days": days, "GlacierJobParameters": {"Tier": "Standard"}}
            try:
                self._client.restore_object(Bucket=self._bucket, Key=key, RestoreRequest=wanted)
            except ClientError as problem:
                if problem.response.get("Error", {}).get("Code") != "RestoreAlreadyInProgress":
                    raise

        self._call("restore", ask, key)

    def thawed(self, key: str) -> bool:
        """One HEAD."""
        head = self._call("head", lambda: self._client.head_object(Bucket=self._bucket, Key=key), key)
        return _READABLE_AGAIN in head.get("Restore", "")

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

    def address(self, key: str, *, expires_s: int) -> Address | None:
        """A presigned GET at the endpoint that services use, unless they reach it through a proxy."""
        if get_environ_proxies(self._client.meta.endpoint_url):
            return None
        return Address(self._sign(self._bucket, key, expires_s), self._ca_bundle)

    def check(self) -> None:
        """Ask for the bucket."""
        self._call("head_bucket", lambda: self._client.head_bucket(Bucket=self._bucket), self._bucket)

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an object that comes in parts. Returns the store's id of this upload."""
        begun = self._call(
            "begin_parts",
            lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=content_type),
            key,
        )
        return str(begun["UploadId"])

    def part_url(self, key: str, upload_id: str, number: int, *, part_bytes: int, expires_s: int) -> str:
        """An address at the public endpoint to which whoever has it may PUT this one part, of this very size, for a while."""
        parameters = {
            "Bucket": self._bucket,
            "Key": key,
            "UploadId": upload_id,
            "PartNumber": number,
            "ContentLength": part_bytes,
        }
        url: str = self._public.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=expires_s)
        return url

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that have come so far, by number.

        Raises:
            MissingObject: there is no such upload, or no more.
        """

        def fetch() -> list[Part]:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return [
                Part(int(one["PartNumber"]), int(one["Size"]), str(one["ETag"]))
                for page in pages
                for one in page.get("Parts", ())
            ]

        found: list[Part] = self._call("list_parts", fetch, key)
        return sorted(found, key=lambda part: part.number)

    def complete_parts(self, key: str, upload_id: str, parts: list[Part]) -> None:
        """Make the object of its parts; only now it is visible."""
        wanted = {"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]}
        self._call(
            "complete_parts",
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload=wanted
            ),
            key,
        )

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; it is no error if there is none."""
        with suppress(MissingObject):
            self._call(
                "abort_parts",
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id),
                key,
            )

    def unfinished(self, prefix: str) -> list[Unfinished]:
        """The uploads under a prefix that were begun and neither completed nor aborted."""

        def fetch() -> list[Unfinished]:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
            return [
                Unfinished(str(one["Key"]), str(one["UploadId"]), one["Initiated"])
                for page in pages
                for one in page.get("Uploads", ())
            ]

        found: list[Unfinished] = self._call("list_uploads", fetch, prefix)
        return found

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        """Every object whose key begins so, in the order of keys."""
        token: dict[str, str] = {}
        while True:
            ask = partial(self._client.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **token)
            page = self._call("list", ask, prefix)
            for one in page.get("Contents", ()):
                yield Listed(str(one["Key"]), int(one["Size"]), one["LastModified"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": str(page["NextContinuationToken"])}

    def of_bucket(self, bucket: str) -> "S3Store":
        """The same server and credentials, another bucket."""
        other = copy(self)
        other._bucket = bucket
        return other

    def create_bucket(self) -> None:
        """Make the bucket unless it is there, and let pages of any origin use the addresses that are given out for it.

        An address is signed, names one object and expires: it, and not the origin of the page, says who may.
        """
        try:
            self.check()
        except MissingObject:
            self._call("create_bucket", lambda: self._client.create_bucket(Bucket=self._bucket), self._bucket)
        self._call(
            "put_bucket_cors",
            lambda: self._client.put_bucket_cors(Bucket=self._bucket, CORSConfiguration=_CORS),
            self._bucket,
        )
