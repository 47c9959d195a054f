"""The exercises of page 00."""

from exercises.answers import WrongAnswer
from exercises.exercise import Exercise


def _check_faces(answer: dict[str, str]) -> str:
    words = ["a spec", "None", "an error"]
    for question, given in answer.items():
        if given.strip().lower() not in map(str.lower, words):
            raise WrongAnswer(f"{question}: {given!r} is none of {', '.join(words)}.")
    right = _solve_faces()
    why = {
        'find_spec("helpers")': "the folder lies beside the notebook, and Python looks there too. "
        "find_spec searches, so it does not matter that nothing is imported yet.",
        'find_spec("helpers.no_such_file")': "the parent exists, so Python can look inside, and finds nothing there.",
        'find_spec("helper")': "a plain name that is not found is no error. Mind the missing s.",
        'find_spec("helper.tools")': "to look inside a parent, Python must import it first. Is there one?",
    }
    for question, given in answer.items():
        if given.strip().lower() != right[question].lower():
            raise WrongAnswer(f"{question} does not give {given}: {why[question]}")
    return "Only a missing parent is an error."


def _solve_faces():
    return {
        'find_spec("helpers")': "a spec",
        'find_spec("helpers.no_such_file")': "None",
        'find_spec("helper")': "None",
        'find_spec("helper.tools")': "an error",
    }


faces_of_find_spec = Exercise(
    title="what find_spec gives",
    difficulty="easy",
    minutes=2,
    checker=_check_faces,
    hints=(
        "The section on the three faces of 'not found' shows three of the four cases.",
        "find_spec does not import what you ask for. But to look inside a package it must import that package.",
    ),
    solution_source=_solve_faces,
)
