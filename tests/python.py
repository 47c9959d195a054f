"""A Python of its own, for what happens only once in a process: imports, and what Keras reads then."""

import os
import subprocess
import sys

from workbook.pages import ROOT


def run_python(code, **environment):
    """Run `code` in a new process at the root of the repository's imports. Returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
