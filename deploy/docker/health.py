#!/opt/heaters/bin/python
"""Whether the service beside us answers: exit code 0 or 1. For container engines; Kubernetes asks by HTTP."""

import os
import sys
import urllib.error
import urllib.request

if __name__ == "__main__":
    port = os.environ.get("HEATERS_LISTEN", "0.0.0.0:8080").rpartition(":")[2]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=4) as answer:
            sys.exit(0 if answer.status == 200 else 1)
    except (urllib.error.URLError, OSError) as problem:
        sys.exit(f"unhealthy: {problem}")
