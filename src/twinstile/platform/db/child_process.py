"""Become another program that ends when its parent does, and may hold fewer rights.

Run as a script: `python -I -S launch.py PARENT UID GID PROGRAM ARGUMENTS...`. Doing this in a
fresh interpreter rather than between fork and exec keeps it safe in a parent with threads, and
lets root start programs as an account that could not even read this interpreter.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process with `command`; SIGINT reaches it when the parent thread ends.

    On systems without prctl(2) the program simply outlives a killed parent.
    """
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # after setuid, which would clear it again (prctl(2))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it ended before the signal was asked for
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 -- becoming the program is the purpose


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
