"""Start kernels out of a process that has imported Keras already: each of them saves the seconds that this takes.

`preloading` starts that process, the server. It imports what the pages import, computes nothing, and waits. For each
kernel it forks, and the child gets the environment, the folder and the streams of the process that asks for it. That
one stands in for the kernel: it passes signals on and ends as the kernel does. Where Python cannot fork, or where a
fork after such imports is not safe (macOS), and where the server cannot be reached, a kernel starts as everywhere else.

The file is also a program, which needs nothing but the standard library:

    python preloaded.py serve SOCKET
    python preloaded.py kernel SOCKET PROGRAM [arguments of ipykernel_launcher]

PROGRAM is empty, or a file that starts a kernel of its own kind by its function `launch(arguments)`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from select import select
from typing import NoReturn

VARIABLE = "WORKBOOK_PRELOADED"  # names the socket to those processes that execute pages
_IMPORTS = ("keras", "tensorflow", "pandas", "sklearn.model_selection", "matplotlib.font_manager")
_KERNEL = "ipykernel.kernelapp"
_STARTED = b"started\n"


@contextlib.contextmanager
def preloading(environment: Mapping[str, str]) -> Iterator[None]:
    """Run a server for the time of a block, for this process and those that it starts; one that runs already will do.

    Args:
        environment: of the server. Its kernels take their own, but TensorFlow reads some of it when it is imported.
    """
    if VARIABLE in os.environ or not sys.platform.startswith("linux"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="kernels_") as folder:
        os.environ[VARIABLE] = address = str(Path(folder, "socket"))
        command = [sys.executable, __file__, "serve", address]
        # what ipykernel sets, and matplotlib reads when it is imported
        variables = {**environment, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        server = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while not os.path.exists(address) and server.poll() is None:
            time.sleep(0.01)
        try:
            yield
        finally:
            del os.environ[VARIABLE]
            server.communicate()  # closes its standard input, by which it knows


def kernel_command(program: str = "") -> list[str]:
    """The command that starts a kernel, that of `program` if one is given.

    What follows it are arguments of `ipykernel_launcher`.
    """
    if address := os.environ.get(VARIABLE):
        return [sys.executable, __file__, "kernel", address, program]
    return _command(program)


def _command(program: str) -> list[str]:
    return [sys.executable, *([program] if program else ["-m", "ipykernel_launcher"])]


def _serve(address: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who execute pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how the children end
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        for name in (*_IMPORTS, _KERNEL):
            importlib.import_module(name)
        while listener in select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    os._exit(_attend(connection))


def _attend(connection: socket.socket) -> int:
    """Start a kernel, pass signals on to it, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    request = json.loads(connection.makefile(encoding="utf-8").readline())
    kernel = os.fork()
    if kernel == 0:
        connection.close()
        os.setpgid(0, 0)
        _become_kernel(streams, **request)
    with contextlib.suppress(OSError):  # whichever of the two comes first
        os.setpgid(kernel, kernel)
    for stream in streams:
        os.close(stream)
    connection.sendall(_STARTED)

    def pass_signals_on():
        while received := connection.recv(1):
            os.kill(kernel, received[0])
        os.killpg(kernel, signal.SIGKILL)  # who asked for it has ended

    threading.Thread(target=pass_signals_on, daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(kernel, 0)[1])
    with contextlib.suppress(ProcessLookupError):  # what the kernel has started, and left behind
        os.killpg(kernel, signal.SIGKILL)
    with contextlib.suppress(OSError):
        connection.sendall(b"%d\n" % status)
    return 0


def _become_kernel(
    streams: list[int], folder: str, environment: dict[str, str], program: str, arguments: list[str]
) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # which the imports have looked up already, by the server's environment
    sys.argv[1:] = arguments
    # Else all kernels would draw the same numbers where nobody has set a seed.
    random.seed()
    sys.modules["numpy"].random.seed()
    if program:
        spec = importlib.util.spec_from_file_location("kernel_program", program)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.launch(arguments)
    else:
        sys.modules[_KERNEL].launch_new_instance([*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])
    atexit._run_exitfuncs()
    os._exit(0)  # to take down all that was imported, module by module, takes seconds


def _stand_in(address: str, program: str, *arguments: str) -> int:
    """Ask the server for a kernel, and do what is asked of that. Returns the kernel's exit status."""
    request = {"folder": os.getcwd(), "environment": dict(os.environ), "program": program, "arguments": arguments}
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.connect(address)
        socket.send_fds(connection, [b" "], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        said = connection.makefile("rb")
        if said.readline() == _STARTED:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda number, frame: connection.sendall(bytes([number])))
            status = int(said.readline() or 1)
            if status < 0:  # a signal ended it
                with contextlib.suppress(OSError):  # SIGKILL has nothing to restore
                    signal.signal(-status, signal.SIG_DFL)
                os.kill(os.getpid(), -status)
            return status
    os.execv(sys.executable, [*_command(program), *arguments])


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file, which no kernel has
    what, *given = sys.argv[1:]
    sys.exit({"serve": _serve, "kernel": _stand_in}[what](*given))
