"""Is the comparison stable? `make stability`, or `python -m workbook stability [PAGE ...]`.

Executes and compares the pages under other instruction sets, numbers of threads, hash seeds and
orders of collection. All of them must pass.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from workbook.pages import ROOT

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


def run(options: argparse.Namespace) -> int:
    failed = False
    for name, environment in CONDITIONS.items():
        notebooks = [str(page.notebook) for page in options.pages]
        if name.startswith("from the last"):
            notebooks.reverse()
        variables = [f"--kernel-env={name}={value}" for name, value in environment.items()]
        command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", *variables, *notebooks]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{name:32} {'passed' if not done.returncode else 'FAILED'} in {time.perf_counter() - started:.0f} s")
        if done.returncode:
            failed = True
            print(done.stdout)
    return int(failed)
