"""Writes the program that an image starts: `begin.py SERVICE FILE`. There is no shell in the image that could put a name together."""

import sys
from pathlib import Path

PROGRAM = """#!/opt/heaters/bin/python
import os
import sys

os.execv(sys.executable, [sys.executable, "-m", "{module}", *sys.argv[1:]])
"""

if __name__ == "__main__":
    service, file = sys.argv[1:3]
    Path(file).write_text(PROGRAM.format(module=f"heaters_{service.replace('-', '_')}"))
    Path(file).chmod(0o755)
