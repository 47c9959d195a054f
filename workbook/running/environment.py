"""The environment in which pages are executed to be stored or compared: the same on every machine."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from workbook.comparing import figures

_FIXED = {
    "KERAS_BACKEND": "tensorflow",
    # what is stored was computed on a CPU, and a GPU rounds differently
    "CUDA_VISIBLE_DEVICES": "-1",
    # by itself TensorFlow takes oneDNN's kernels on newer processors alone: they round otherwise, and are faster
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # TensorFlow's own messages, which differ from machine to machine; it reads this when it is imported
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONUTF8": "1",
}
# What the reader has set for herself would change what is imported, how wide tables are, where figures go and in which
# style, what warns, on how many machines a network trains, and whether an assert is executed at all.
_READERS_OWN = (
    *("PYTHON", "IPY", "JUPYTER", "PYTEST", "COVERAGE", "WORKBOOK"),
    *("TF_", "XLA_", "KERAS", "JAX_", "CUDA", "ONEDNN", "DNNL", "GRPC"),
    *("MPL", "MATPLOTLIB", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR"),
)
# Each kernel describes the figures that it shows. The file is loaded by its path: pages find no package by themselves.
# Tracebacks show one line of code for each call. To find and colour those around it takes IPython up to half a second.
_SETTINGS = """
import importlib.util, sys

spec = importlib.util.spec_from_file_location("workbook_figures", {path!r})
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
get_config().InteractiveShellApp.extensions = [spec.name]
get_config().InteractiveShell.xmode = "Plain"
"""


def environment(source: str = "sample", **changes: str) -> dict[str, str]:
    """The variables of a process that executes a page: those of this process without the reader's own settings.

    Args:
        source: of the data, "sample" or "full". The real data are looked for where this process would.
        **changes: other variables, to try something out.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_READERS_OWN)}
    matplotlib = Path(importlib.util.find_spec("matplotlib").origin).parent
    own = {
        "WORKBOOK_DATA": source,
        "IPYTHONDIR": _ipython_folder(),
        "MATPLOTLIBRC": str(matplotlib / "mpl-data" / "matplotlibrc"),
    }
    if source == "sample":  # which needs no data, nor settings of Keras, by which floats may be of another size
        own["KERAS_HOME"] = _empty_folder("keras_")
    elif "KERAS_HOME" in os.environ:
        own["KERAS_HOME"] = os.environ["KERAS_HOME"]
    return inherited | _FIXED | own | changes


@functools.cache
def _empty_folder(prefix: str) -> str:
    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _ipython_folder() -> str:
    folder = _empty_folder("ipython_")
    settings = Path(folder, "profile_default", "ipython_config.py")
    settings.parent.mkdir()
    settings.write_text(_SETTINGS.format(path=figures.__file__), encoding="utf-8")
    return folder
