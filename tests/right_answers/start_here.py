"""Right answers of other kinds on page 00."""

from types import MappingProxyType

import numpy as np

from exercises import start_here as page

ANSWER = page.faces_of_find_spec.solution_source()

RIGHT = [
    (page.faces_of_find_spec, {question: f"{answer.upper()} " for question, answer in ANSWER.items()}),
    (page.faces_of_find_spec, dict(reversed(ANSWER.items()))),
    (page.faces_of_find_spec, MappingProxyType(ANSWER)),
    (page.faces_of_find_spec, dict(zip(ANSWER, np.array(list(ANSWER.values()))))),
]
