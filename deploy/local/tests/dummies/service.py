"""A stand-in for a service. `service.py MODE`: steady; dies (after it was ready); broken (never gets that far); stubborn (ignores
SIGTERM and has a child); mute (never says that it is ready)."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if mode == "mute" else 200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


mode = sys.argv[1]
print(f"mode={mode} instance={os.environ['HEATERS_SERVICE_INSTANCE']} pid={os.getpid()}", flush=True)
if mode == "broken":
    sys.exit("HEATERS_SOMETHING is not set")
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"grandchild={child.pid}", flush=True)
if mode == "dies":
    threading.Thread(
        target=lambda: (time.sleep(0.4), print("last words", flush=True), os._exit(7)), daemon=True
    ).start()
host, port = os.environ["HEATERS_LISTEN"].split(":")
http.server.ThreadingHTTPServer((host, int(port)), Health).serve_forever()
