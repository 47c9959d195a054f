"""The environment in which pages are executed to be stored or compared: the same on every machine."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_FIXED = {
    "WORKBOOK_DATA": "sample",
    "KERAS_BACKEND": "tensorflow",
    # what is stored was computed on a CPU, and a GPU rounds differently
    "CUDA_VISIBLE_DEVICES": "-1",
    # TensorFlow's own messages, which differ from machine to machine; it reads this when it is imported
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# They would change how wide tables are, where figures go, what is imported, what warns, how long
# a fit lasts, and whether an assert is executed at all.
_UNSET = (
    "COLUMNS",
    "LINES",
    "JUPYTER_COLUMNS",
    "MPLBACKEND",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "PYTHONOPTIMIZE",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
)
# Each kernel describes the figures that it shows. The file is loaded by its path: pages find no package by themselves.
_SETTINGS = """
import importlib.util, sys

spec = importlib.util.spec_from_file_location("workbook_figures", {path!r})
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
get_config().InteractiveShellApp.extensions = [spec.name]
"""


def fix_environment(**extra: str) -> None:
    """Set the environment of this process, which the kernels that it starts inherit."""
    for name in _UNSET:
        os.environ.pop(name, None)
    os.environ.update(_FIXED | extra)
    # not the reader's own settings of IPython, where figures may be SVG
    os.environ["IPYTHONDIR"] = folder = _empty_folder("ipython_")
    settings = Path(folder, "profile_default", "ipython_config.py")
    settings.parent.mkdir()
    settings.write_text(_SETTINGS.format(path=str(Path(__file__).with_name("figures.py"))), encoding="utf-8")
    if os.environ["WORKBOOK_DATA"] == "sample":
        # nor those of Keras, whose floats may be of another size; the real data is found there
        os.environ["KERAS_HOME"] = _empty_folder("keras_")


def _empty_folder(prefix: str) -> str:
    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
