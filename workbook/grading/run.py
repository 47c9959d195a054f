"""Execute the cells of a notebook that was handed in, and learn what the course's checkers said in each."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_client import KernelManager

from workbook.grading import kernel
from workbook.pages import ROOT
from workbook.running.environment import environment
from workbook.running.execute import ThisPython

START_LIMIT = 120  # seconds until a kernel answers for the first time
GRACE = 5  # seconds in which a cell that was interrupted must end


@dataclass(frozen=True)
class Limits:
    """What one notebook may take.

    Attributes:
        cell: seconds for a cell, which is then interrupted.
        notebook: seconds for all cells.
        memory: bytes for a process; 0 for any number.
        shut_in: whether the network is taken away, and all folders but the notebook's own; see `shut_in`.
    """

    cell: float = 120
    notebook: float = 900
    memory: int = 0
    shut_in: bool = False


@dataclass(frozen=True)
class Executed:
    """What is known of a cell.

    Attributes:
        verdicts: the names of the exercises that it checked, and what was said to the answers.
        changed: the names of what it had changed in the checkers.
        failure: what went wrong, such as "raised KeyError: 'x'", or "".
        last: whether the notebook was ended there.
    """

    verdicts: tuple[tuple[str, str], ...] = ()
    changed: tuple[str, ...] = ()
    failure: str = ""
    last: bool = False


class Course:
    """What pages import and read, as it is now. Each notebook gets a copy, whatever another does to its own."""

    def __init__(self):
        names = ("exercises", "text_recognizer", "requirements.txt")
        found = [path for name in names for path in (ROOT / name, *(ROOT / name).rglob("*"))]
        self._files = {
            path.relative_to(ROOT): path.read_bytes()
            for path in found
            if path.is_file() and path.parent.name != "__pycache__"
        }

    def copy_to(self, folder: Path) -> None:
        for path, content in self._files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


class Cancelled(Exception):
    """The teacher does not want to wait any longer."""


def execute(
    sources: list[str], topics: list[str], course: Course, limits: Limits, cancel: threading.Event
) -> list[Executed]:
    """Execute cells one after the other, whether or not those before have failed.

    Args:
        sources: of the cells.
        topics: whose exercises are judged.
        course: whose copy the notebook gets.
        limits: of time, memory and reach.
        cancel: set by another thread, it ends this.

    Returns:
        What is known of each cell that was reached: of fewer cells than given if the last of them ended the notebook.

    Raises:
        RuntimeError: if no kernel starts.
        Cancelled: if it was.
    """
    with tempfile.TemporaryDirectory(prefix="grade_", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        course.copy_to(folder / "course")
        for made in ("course/notebooks", "home", "tmp"):
            (folder / made).mkdir()
        running = _Kernel(folder, _environment(folder, topics, limits), cancel)
        try:
            return list(_execute(running, sources, limits))
        finally:
            running.end()


def _execute(running: _Kernel, sources: list[str], limits: Limits) -> Iterator[Executed]:
    started = time.monotonic()
    for source in sources:
        left = limits.notebook - (time.monotonic() - started)
        if left <= 0:
            yield Executed(failure=f"was not reached within the {limits.notebook:g} seconds of a notebook", last=True)
            return
        reply = running.execute(source, min(limits.cell, left))
        failure = ""
        if reply is None and running.lives:
            whole = f"what was left of the {limits.notebook:g} seconds of a notebook"
            failure = f"took longer than {f'{limits.cell:g} seconds' if limits.cell <= left else whole}"
            reply = running.interrupt()
        if reply is None:
            yield Executed(failure=failure or "ended its kernel", last=True)
            return
        if reply["status"] != "ok":
            failure = failure or f"raised {reply['ename']}: {reply['evalue']}"
        found = reply[kernel.REPLY]
        yield Executed(tuple(map(tuple, found["verdicts"])), tuple(found["changed"]), failure)


def _environment(folder: Path, topics: list[str], limits: Limits) -> dict[str, str]:
    """The variables of a kernel, whose homes are in `folder`."""
    home, temporary = str(folder / "home"), str(folder / "tmp")
    settings = {
        "folder": str(folder),
        "course": str(folder / "course"),
        "topics": topics,
        "memory": limits.memory,
        "shut_in": limits.shut_in,
    }
    homes = ("HOME", "USERPROFILE", "KERAS_HOME", "IPYTHONDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    return environment(
        **dict.fromkeys(homes, home),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary),
        **{kernel.VARIABLE: json.dumps(settings)},
    )


class _Kernels(ThisPython):
    program = kernel.__file__
    # a signal would reach the process that waits for the one that is shut in
    interrupt_mode = "message" if os.name == "posix" else "signal"


class _Kernel:
    """A kernel, and what it replies. What it prints is not listened to, however much that is.

    Raises:
        RuntimeError: if it does not start.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], cancel: threading.Event):
        self._cancel = cancel
        # A socket that is a file can be reached by a kernel without a network.
        how = {"transport": "ipc"} if os.name == "posix" else {}
        names = _Kernels()
        self._manager = KernelManager(kernel_spec_manager=names, connection_file=str(folder / "kernel.json"), **how)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._manager.start_kernel(env=dict(variables), cwd=str(folder / "course" / "notebooks"), **silent)
        self._client = self._manager.client()
        self._client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        try:
            if self._reply(self._client.kernel_info(), START_LIMIT) is None:
                raise RuntimeError("its kernel does not start")
        except BaseException:
            self.end()
            raise

    def execute(self, source: str, limit: float) -> dict | None:
        """The content of the reply; None if there was none within the limit, or the kernel has ended."""
        self._sent = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        return self._reply(self._sent, limit)

    def interrupt(self) -> dict | None:
        """Interrupt what is executed. Returns as `execute` does."""
        self._manager.interrupt_kernel()
        return self._reply(self._sent, GRACE)

    @property
    def lives(self) -> bool:
        return self._manager.is_alive()

    def end(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def _reply(self, sent: str, limit: float) -> dict | None:
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            if self._cancel.is_set():
                raise Cancelled
            lived = self.lives
            try:
                message = self._client.get_shell_msg(timeout=min(left, 0.2))
            except queue.Empty:
                if not lived:
                    return None
                continue
            if message["parent_header"].get("msg_id") == sent:
                return message["content"]
        return None
