"""The audit log's eye: every request that changed something, or took an export out, and what came of it."""

import re
from typing import Any

from litestar.types import BeforeMessageSendHookHandler, Message, Scope

from heaters_review_api.accounts.audit import Audit, Deed
from heaters_review_api.web.auth import UNREMARKED

_GIVEN_AWAY = re.compile(r"/api/exports/.+|.*/download")
"""Paths that give files away."""


def remarked(audit: Audit) -> BeforeMessageSendHookHandler:
    """A hook that notes who did what. Bodies and queries are not noted: they may hold what is nobody's business."""

    async def look(message: Message, asked: Scope) -> None:
        scope: Any = asked
        if message["type"] != "http.response.start":
            return
        principal = scope.get("user")
        handler = scope.get("route_handler")
        if principal is None or handler is None or handler.opt.get(UNREMARKED):
            return
        path = scope["path"]
        if scope["method"] in {"GET", "HEAD", "OPTIONS"} and not _GIVEN_AWAY.fullmatch(path):
            return
        client = scope.get("client")
        audit.put_down(
            Deed(
                actor=principal.id,
                via=str(scope.get("auth") or ""),
                address=client[0] if client else "unknown",
                action=f"{scope['method']} {scope.get('path_template') or path}"[:300],
                subject=path[:300],
                outcome=int(message["status"]),
            )
        )

    return look
