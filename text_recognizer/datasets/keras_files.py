"""Data sets that `keras.datasets` downloads and keeps, and what a reader is told where it cannot."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text_recognizer.datasets.source import SAMPLE, VARIABLE, DatasetUnavailableError


@dataclass(frozen=True)
class KerasFiles:
    """One data set of `keras.datasets`, and the files that it consists of.

    Attributes:
        name: what the data set is called.
        module: its module in `keras.datasets`.
        folder: its own folder in `$KERAS_HOME/datasets`; empty where it is one file without one.
        files: the files that make it up, in that folder.
    """

    name: str
    module: str
    folder: str
    files: tuple[str, ...]

    def load_full(self, check, **arguments):
        """Load the real data set.

        Args:
            check: called with what Keras loaded; raises an error that says what is wrong with it.
            **arguments: passed on to `keras.datasets.<module>.load_data`. They must be right: an
                error that they cause would be taken for one in the files.

        Returns:
            `(x_train, y_train), (x_test, y_test)`, new arrays on every call.

        Raises:
            DatasetUnavailableError: the files can be neither found nor downloaded, or they are
                broken, or hold something else.
        """
        import keras

        try:
            data = getattr(keras.datasets, self.module).load_data(**arguments)
            check(data)
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise DatasetUnavailableError(self._diagnose(error)) from error
        # Keras maps Fashion-MNIST read-only; the sample can be written to, so this can too.
        return tuple(tuple(np.array(array) for array in part) for part in data)

    def _diagnose(self, error):
        home, note = keras_home()
        # What to delete or to provide: the folder, or the one file that has none.
        place = Path("datasets", self.folder or self.files[0])
        what = f"{type(error).__name__}: {error}"
        folder = home / "datasets" / self.folder
        missing = [name for name in self.files if not (folder / name).exists()]
        if missing:
            return (
                f"{self.name} could not be downloaded, and {folder} has no {', '.join(missing)} "
                f"({what}).{note} Connect to the network once and run this again, or start Python "
                f"with KERAS_HOME set to a Keras home that has {place}, or set {VARIABLE}={SAMPLE}, "
                "which needs no network."
            )
        return (
            f"{self.name} in {home / place} is broken ({what}).{note} Delete {home / place} and run "
            f"this again to download it anew, or set {VARIABLE}={SAMPLE}, which needs no network."
        )


def keras_home():
    """Return the folder in which `keras.utils.get_file` keeps its files, and a note for the reader.

    The note is empty unless Keras turned away from `$KERAS_HOME` (or `~/.keras`), as it does,
    without a word, where that folder cannot be written to.
    """
    from keras.src.backend.config import keras_home as configured  # get_file's own; not exported

    home = Path(configured()).expanduser()
    if os.access(home, os.W_OK):
        return home, ""
    fallback = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return fallback, f" (Keras looks there because it cannot write to {home}.)"
