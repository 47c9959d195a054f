"""Exercises that answer.

A page imports its exercises and the blank:

    from exercises import ____, sequential

    answer = ____
    sequential.parameter_count.check(answer)

`check` says what is right or wrong, `hint` gives a little more each time. A solution stands below, folded away.
"""

from exercises.exercise import Exercise, ____

__all__ = ["Exercise", "____"]
