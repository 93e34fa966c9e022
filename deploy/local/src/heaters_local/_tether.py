"""Run a command that dies with the process that started it .

`python -I -S _tether.py SIGNAL PARENT_PID COMMAND...` asks the kernel for SIGNAL at the parent's end and then becomes COMMAND: the
request survives exec. It stands alone (no imports of ours), because it runs before every child and must be quick. See prctl(2),
PR_SET_PDEATHSIG.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    signal_number, parent_pid, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent ended before the request: nobody is left to send the signal
        sys.exit(0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command, without a shell, is the purpose
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


main()
