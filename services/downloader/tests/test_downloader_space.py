import signal
import subprocess
import sys

_HOLDS_ROOM_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from heaters_downloader.space import reserved
with reserved(Path(sys.argv[1]), 1 << 20, free_bytes=0):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_room_that_a_killed_download_held_is_free_again(tmp_path):
    killed = subprocess.run([sys.executable, "-c", _HOLDS_ROOM_UNTIL_KILLED, tmp_path], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
