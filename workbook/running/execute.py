"""Execute the cells of a page in a kernel of their own: to render the page and to compare it, in one way."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from workbook.comparing.normalise import tidy, without_colours
from workbook.running.preloaded import kernel_command

CELL_LIMIT = 300  # seconds that a cell may take
ATTEMPTS = 3  # to start a kernel


class Stopped(Exception):
    """The cells could not be executed to the end.

    Attributes:
        index: of the cell at which it stopped, among all cells.
        reason: in words.
    """

    def __init__(self, index: int, reason: str):
        super().__init__(reason)
        self.index, self.reason = index, reason


class ThisPython(KernelSpecManager):
    """Knows one kernel, of this Python, whatever kernels the reader has installed.

    Attributes:
        program: that starts the kernel, if it is not ipykernel's own; see `kernel_command`.
        interrupt_mode: how it is interrupted, by a "signal" or by a "message".
    """

    program, interrupt_mode = "", "signal"

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [*kernel_command(self.program), "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode=self.interrupt_mode)


def execute(
    cells: list[nbformat.NotebookNode],
    folder: Path,
    environment: Mapping[str, str],
    limit: float | None = None,
    after_errors: bool = False,
) -> None:
    """Execute cells, one after the other, and give them their outputs, tidied, and their numbers.

    Args:
        cells: of a notebook.
        folder: in which they are executed.
        environment: of the kernel; see `environment`.
        limit: seconds that a cell may take; `CELL_LIMIT` if it is not given.
        after_errors: whether to go on after a cell has failed that is not tagged `raises-exception`.

    Raises:
        Stopped: a cell failed, ended its kernel or took too long. Those before it have their outputs, and so has
            this one; those behind it have none.
    """
    limit = limit or CELL_LIMIT
    at = 0

    def note(cell, cell_index):
        nonlocal at
        at = cell_index

    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    try:
        with _kernel(cells, folder, environment, limit, note) as client:
            for index, cell in enumerate(cells):
                client.execute_cell(cell, index)
                if not after_errors and (error := failure(cell)):
                    raise Stopped(index, error)
    except DeadKernelError:
        raise Stopped(at, "the kernel died while it executed this cell") from None
    except CellTimeoutError:
        raise Stopped(at, f"the cell took longer than {limit:g} seconds, and its kernel was ended") from None
    finally:
        _tidy(cells)


@contextlib.contextmanager
def _kernel(cells, folder, environment, limit, note) -> Iterator[NotebookClient]:
    """A client whose kernel runs; `note` is told of each cell before it is executed."""
    for attempt in range(1, ATTEMPTS + 1):
        client = NotebookClient(
            nbformat.v4.new_notebook(cells=cells),
            km=AsyncKernelManager(kernel_spec_manager=ThisPython()),
            timeout=limit,
            allow_errors=True,
            record_timing=False,
            skip_cells_with_tag="",
            on_cell_execute=note,
        )
        with contextlib.ExitStack() as running:
            # what belongs to a cell comes as its output
            how = {"env": dict(environment), "cwd": str(folder), "stderr": subprocess.DEVNULL, "cleanup_kc": True}
            try:
                running.enter_context(client.setup_kernel(**how))
            except RuntimeError as error:  # another process has taken a port in the meantime
                if attempt == ATTEMPTS:
                    raise Stopped(0, f"no kernel starts: {error}") from error
                continue
            yield client
            return


def failure(cell: Mapping) -> str | None:
    """What a cell failed with, its traceback; None if it did not, or was meant to."""
    if cell["cell_type"] != "code" or "raises-exception" in cell["metadata"].get("tags", []):
        return None
    errors = (output for output in cell["outputs"] if output["output_type"] == "error")
    return next((without_colours("\n".join(error["traceback"])).rstrip() for error in errors), None)


def _tidy(cells: list[nbformat.NotebookNode]) -> None:
    """Tidy the outputs, and number the cells from top to bottom."""
    executed = [cell for cell in cells if cell.cell_type == "code"]
    for number, cell in enumerate(executed, start=1):
        cell.execution_count = number if cell.execution_count is not None or not cell.source.strip() else None
        cell.outputs = tidy(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
