"""Run a command that dies with its parent: `guard.py PARENT SIGNAL UID:GID|- COMMAND …`.

A script of its own, on nothing but the standard library, because the kernel forgets the death
signal when the user changes: it must be set after that, before the command, in the process itself.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop to the user if one is named, ask for the signal, become the command."""
    parent, death_signal, user, *command = sys.argv[1:]
    if user != "-":
        uid, gid = (int(part) for part in user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        sys.exit("the kernel refuses prctl(PR_SET_PDEATHSIG)")
    # A parent that died before the line above will send no signal any more.
    if os.getppid() != int(parent):
        sys.exit("the supervisor is gone")
    os.execv(command[0], command)  # noqa: S606  # the supervisor's own command line, no shell


if __name__ == "__main__":
    main()
