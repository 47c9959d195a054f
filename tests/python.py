"""A Python of its own, for what happens only once in a process, and for what ends it."""

import os
import subprocess
import sys
from pathlib import Path

from workbook.pages import ROOT
from workbook.running.preloaded import VARIABLE, kernel_command


def python_command(*arguments):
    """The command of a Python that gets `-c CODE` or `-m MODULE`, and what follows.

    Where pages are executed too, it starts out of the process that has imported Keras, which saves seconds. So it is
    not for what happens when Python or Keras is imported: that needs `sys.executable`.
    """
    program = str(Path(__file__).with_name("preloaded_python.py"))
    python = kernel_command(program) if VARIABLE in os.environ else [sys.executable]
    return [*python, *map(str, arguments)]


def run_python(code, fresh=False, **environment):
    """Run `code` in a new process at the root of the repository's imports. Returns what it prints.

    Args:
        code: Python's.
        fresh: whether nothing may have been imported before.
        **environment: variables beside those of this process.
    """
    done = subprocess.run(
        [sys.executable, "-c", code] if fresh else python_command("-c", code),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
