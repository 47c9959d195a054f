"""The switch between the sample, which needs no network, and the real data sets.

The environment variable `WORKBOOK_DATA` is `sample` (the default) or `full`. It is read at every
call, so that `os.environ["WORKBOOK_DATA"] = "full"` in a notebook works without a restart.
"""

import os

VARIABLE = "WORKBOOK_DATA"
SAMPLE, FULL = "sample", "full"


class DatasetUnavailableError(RuntimeError):
    """The real data set could not be had; the message says where, why, and what to do."""


def source():
    """Return which data the pages use: "sample" or "full".

    Raises:
        ValueError: `WORKBOOK_DATA` is something else.
    """
    value = os.environ.get(VARIABLE) or SAMPLE
    if value not in (SAMPLE, FULL):
        raise ValueError(
            f"{VARIABLE} is {value!r}. Set it to {SAMPLE!r} (small, needs no network; also what "
            f"you get when it is not set) or to {FULL!r} (the real data set, downloaded once)."
        )
    return value
