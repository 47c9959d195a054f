"""The environment in which pages are executed to be stored or compared: the same on every machine."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_FIXED = {
    "WORKBOOK_DATA": "sample",
    "KERAS_BACKEND": "tensorflow",
    # what is stored was computed on a CPU, and a GPU rounds differently
    "CUDA_VISIBLE_DEVICES": "-1",
}
# They would change how wide tables are, where figures go, what is imported, what warns, and
# whether an assert is executed at all.
_UNSET = (
    "COLUMNS",
    "LINES",
    "JUPYTER_COLUMNS",
    "MPLBACKEND",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "PYTHONOPTIMIZE",
)


def fix_environment(**extra: str) -> None:
    """Set the environment of this process, which the kernels that it starts inherit."""
    for name in _UNSET:
        os.environ.pop(name, None)
    # not the reader's own settings of IPython, where figures may be SVG
    profile = tempfile.mkdtemp(prefix="ipython_")
    atexit.register(shutil.rmtree, profile, ignore_errors=True)
    os.environ.update(_FIXED, IPYTHONDIR=profile, **extra)
