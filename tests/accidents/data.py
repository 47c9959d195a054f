"""Page 02, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = []
