"""The old place of what is in `dataset` now."""

from text_recognizer.datasets.dataset import FULL, SAMPLE, VARIABLE, DatasetUnavailableError  # noqa: F401
from text_recognizer.datasets.dataset import choose_source as source  # noqa: F401
