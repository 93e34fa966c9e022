"""The AWS signature, version 4, for a request without query and body: enough to ask an S3 server whether it knows our keys.

Source: AWS General Reference, "Signature Version 4 signing process". Whoever moves objects uses an S3 client instead.
"""

import hashlib
import hmac
from datetime import datetime

_EMPTY = hashlib.sha256(b"").hexdigest()


def signed_headers(
    method: str, host: str, path: str, *, access_key: str, secret_key: str, region: str, now: datetime
) -> dict[str, str]:
    """The headers that sign one request.

    Args:
        method: such as GET.
        host: with the port, as sent in the Host header.
        path: already URI-encoded, beginning with a slash.
        access_key: the key's id.
        secret_key: the key.
        region: any name, if the server is not AWS.
        now: the time in UTC; servers refuse one that is minutes away from theirs.
    """
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    scope = f"{day}/{region}/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = (
        f"{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{_EMPTY}\nx-amz-date:{moment}\n\n{names}\n{_EMPTY}"
    )
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        "host": host,
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": moment,
        "authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
