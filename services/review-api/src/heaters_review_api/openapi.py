"""The API's description, for people and for programs: `python -m heaters_review_api.openapi FILE` writes it without any server."""

import json
import sys
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme


def openapi_config() -> OpenAPIConfig:
    """How the document is made; it is answered by our own route, and drawn by our own page."""
    return OpenAPIConfig(
        title="Heaters review API",
        version="1",
        path="/openapi",
        render_plugins=[],
        use_handler_docstrings=True,
        security=[{"token": []}],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="An API token, or HEATERS_TOKEN")
            }
        ),
    )


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    from heaters_review_api.app import ROUTES

    described = Litestar(
        route_handlers=ROUTES,
        dependencies={"desk": Provide(lambda: None, sync_to_thread=False)},
        openapi_config=openapi_config(),
        logging_config=None,
    )
    return described.openapi_schema.to_schema()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")
