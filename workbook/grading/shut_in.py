"""Shut this process in: no network, no other processes in sight, and one folder to which it may write.

Linux can do that for an ordinary user, with namespaces. Some systems forbid it, and the others have nothing like it:
`why_not` finds out. The file is also a program, which needs nothing but the standard library:

    python shut_in.py FOLDER    ends with status 0 where it works
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE, _NO_SUID_DEV_EXEC = 0x1000, 0x4000, 0x40000, 0x2 | 0x4 | 0x8
_READ_ONLY = 0x1
_MOUNT_SETATTR, _HERE, _WHOLE_TREE = 442, -100, 0x8000  # the number of the system call is the same on every processor
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38
_SET_FLAGS, _UP = 0x8914, 0x1 | 0x40
_CAPABILITIES_3 = 0x20080522


def why_not() -> str:
    """Why processes cannot be shut in here; "" if they can."""
    if not sys.platform.startswith("linux"):
        return "only Linux can shut a notebook in"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, __file__, folder], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


def shut_in(folder: Path) -> None:
    """Go on as another process, which has no network but its own loopback, and may write into `folder` alone.

    It sees no process but its own children. When it ends, they are killed. This process waits, and ends as the other
    does; if this one is killed, so is the other. Call it before any thread is started.

    Raises:
        OSError: if the system does not let this user do that; the process is then half shut in, and should end.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEW_USER | _NEW_MOUNTS | _NEW_NETWORK | _NEW_PROCESSES | _NEW_IPC)
    for name, content in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(content, encoding="utf-8")
    _let_write_into(folder)
    _start_loopback()
    if first := os.fork():
        os._exit(_status(os.waitpid(first, 0)[1]))
    _call("prctl", _DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _mount("proc", "/proc", "proc", _NO_SUID_DEV_EXEC)  # in which only those processes are seen
    # The first process of its kind takes in orphans, and cannot be killed from within: it is not the one that goes on.
    if second := os.fork():
        while True:
            ended, status = os.wait()
            if ended == second:
                os._exit(_status(status))
    os.setsid()
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call("capset", struct.pack("Ii", _CAPABILITIES_3, 0), bytes(24))


def _let_write_into(folder: Path) -> None:
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount(str(folder), str(folder), None, _BIND)
    _call("syscall", _MOUNT_SETATTR, _HERE, b"/", _WHOLE_TREE, struct.pack("4Q", _READ_ONLY, 0, 0, 0), 32)
    _call("syscall", _MOUNT_SETATTR, _HERE, os.fsencode(folder), 0, struct.pack("4Q", 0, _READ_ONLY, 0, 0), 32)
    with contextlib.suppress(FileNotFoundError):  # locks between processes lie there
        _mount("tmpfs", "/dev/shm", "tmpfs", _NO_SUID_DEV_EXEC)
    os.chdir(os.getcwd())  # by its name, since the folder it is in is still the one of before


def _start_loopback() -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    names = [name and os.fsencode(name) for name in (source, target, kind)]
    _call("mount", *names, ctypes.c_ulong(flags), None)


def _call(name: str, *arguments) -> None:
    """Call a function of the C library; an OSError if it fails."""
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*given) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    shut_in(Path(sys.argv[1]))
    Path(sys.argv[1], "here").touch()
