"""A folder that is there whole or not at all."""

import os
import shutil
from pathlib import Path

from filelock import FileLock


def make_folder(folder, fill):
    """Make a folder and all that is in it, unless it is there already.

    It is filled beside its place, as `<folder>.part`, and then renamed. So it is never there in
    part, even after `kill -9`; what that left beside is removed by the next call. A process that
    finds another one at it waits (for the lock `<folder>.lock`), and then finds the folder.

    Args:
        folder: where the folder is to be. The folders above it are made too.
        fill: called with the `pathlib.Path` of an empty folder, to fill it.

    Returns:
        `folder`, a `pathlib.Path`.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            beside = Path(f"{folder}.part")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            try:
                fill(beside)
                os.replace(beside, folder)
            except BaseException:
                shutil.rmtree(beside)
                raise
    return folder
