"""Is the comparison stable? `make stability`, or `python -m workbook.stability [PAGE ...]`.

Executes and compares the pages under other instruction sets, numbers of threads, hash seeds and
orders of collection. All of them must pass.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from workbook.pages import ROOT, pages_asked_for

CONDITIONS = {
    "as it is": {},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "no more than AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "no more than SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "one thread": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
    "eight threads": {"TF_NUM_INTRAOP_THREADS": "8", "TF_NUM_INTEROP_THREADS": "8"},
    "another hash seed": {"PYTHONHASHSEED": "7"},
    "from the last page to the first": {},
}


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = pages_asked_for("workbook.stability", __doc__.splitlines()[0], arguments)
    failed = False
    for name, environment in CONDITIONS.items():
        notebooks = [str(page.notebook) for page in chosen]
        if name.startswith("from the last"):
            notebooks.reverse()
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-q",
            "-p",
            "no:cacheprovider",
            *notebooks,
        ]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"{name:32} {'passed' if not done.returncode else 'FAILED'} in {time.perf_counter() - started:.0f} s")
        if done.returncode:
            failed = True
            print(done.stdout)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
