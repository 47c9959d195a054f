"""Wrong answers that people give on page 00, and a word of what they are told."""

import sys

from exercises import start_here as page

RIGHT = page.faces_of_find_spec.solution_source()

WRONG = [
    (page.faces_of_find_spec, RIGHT | {'find_spec("helpers")': "None"}, "nothing is imported yet"),
    (page.faces_of_find_spec, RIGHT | {'find_spec("helper.tools")': "None"}, "Is there one?"),
    (page.faces_of_find_spec, RIGHT | {'find_spec("helper")': None}, "in quotes"),
    (page.faces_of_find_spec, RIGHT | {'find_spec("helpers")': sys.__spec__}, "in quotes"),
    (page.faces_of_find_spec, RIGHT | {'find_spec("helper")': "nothing"}, "is none of"),
    (page.faces_of_find_spec, RIGHT | {"find_spec(helpers)": "a spec"}, "Nothing was asked about"),
    (page.faces_of_find_spec, list(RIGHT.values()), "Keep the dictionary"),
    (page.faces_of_find_spec, {}, "no answer for"),
]
