"""Each exercise knows its solution, other right answers, wrong ones that people give, and an untouched blank.

The right answers stand in tests/right_answers and the wrong ones in tests/wrong_answers, a module a page.
"""

import ast
import functools
import importlib
import math
import pkgutil
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import exercises
from exercises import Exercise, ____
from exercises.answers import WrongAnswer, in_form, number
from exercises.exercise import has_blank
from exercises.kinds.training import Deadline
from tests.claims.control import long
from workbook.pages import ROOT, pages
from workbook.solution_blocks import solution

HERE = Path(__file__).parent
EXERCISES = {
    f"{module.name}.{name}": value
    for module in pkgutil.iter_modules(exercises.__path__)
    for name, value in vars(importlib.import_module(f"exercises.{module.name}")).items()
    if isinstance(value, Exercise)
}
for exercise in EXERCISES.values():
    if hasattr(exercise, "seeds"):
        exercise.seeds = exercise.seeds[:1]  # tests/test_kinds.py has several
TOPICS = list(dict.fromkeys(name.partition(".")[0] for name in EXERCISES))


def answers(kind: str) -> list[tuple]:
    """The name of an exercise and what follows in the list `kind`, RIGHT or WRONG, for each entry of its modules."""
    folder = f"{kind.lower()}_answers"
    return [
        (name, *rest)
        for topic in TOPICS
        if (HERE / folder / f"{topic}.py").is_file()  # a test below names one that is missing
        for exercise, *rest in getattr(importlib.import_module(f"tests.{folder}.{topic}"), kind)
        for name in EXERCISES
        if EXERCISES[name] is exercise
    ]


RIGHT, WRONG = answers("RIGHT"), answers("WRONG")


def tried(answers, most):
    """All answers as parameters; where each takes a training, all but the first `most` of an exercise are long."""
    seen = Counter()
    for name, *rest in answers:
        seen[name] += 1
        trains = hasattr(EXERCISES[name], "seeds")
        yield pytest.param(name, *rest, marks=[long] if trains and seen[name] > most else [])


@pytest.mark.parametrize(("name", "answer", "told"), tried(WRONG, most=2))
def test_wrong_answer_is_told_what_is_wrong(name, answer, told):
    verdict = EXERCISES[name].verdict(answer)
    assert verdict.startswith("Not yet.")
    assert told in verdict


@pytest.mark.parametrize(("name", "answer"), tried(RIGHT, most=1))
def test_right_answer_of_another_kind_is_right(name, answer):
    verdict = EXERCISES[name].verdict(answer)
    assert verdict.startswith("Right."), verdict


@long
@pytest.mark.parametrize("name", [name for name in EXERCISES if hasattr(EXERCISES[name], "broken")])
def test_how_the_broken_function_trains_is_seen_without_its_steps(name):
    exercise = EXERCISES[name]
    run, how = exercise._run(exercise.broken, exercise.seeds[0], Deadline(exercise.seconds), [])
    assert run.accuracy < exercise.at_least
    assert how == exercise._how_it_was


def is_fixed(solution) -> bool:
    """Whether a question has one right answer: a number or a word, or several of them. Others leave a choice."""
    if isinstance(solution, Mapping):
        solution = list(solution.values())
    if isinstance(solution, (list, tuple)):
        return all(map(is_fixed, solution))
    return isinstance(solution, str) or number(solution) is not None


@pytest.mark.parametrize("name", EXERCISES)
def test_three_right_answers_where_there_is_a_choice(name):
    found = sum(right == name for right, _ in RIGHT)
    needed = 0 if is_fixed(EXERCISES[name].solution_source()) else 3
    assert found >= needed, f"tests/right_answers/{name.partition('.')[0]}.py has {found} for {name}"


def returning(value):
    return lambda *arguments, **named: value


@pytest.fixture(scope="module")
def odd():
    """Values that are no answer: numbers, texts, containers, models, classes, and functions that return them."""

    class Odd:
        pass

    built = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    compiled = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    compiled.compile(loss="mse")
    numbers = [0, -1, 1.5, math.nan, math.inf, 10**30, np.float32(2), np.zeros((2, 3)), np.zeros(0), tf.zeros(3)]
    held = ["", "text", b"text", None, True, 1j, [], {}, (), {1, 2}, ["text"], [[1, 2], [3]], (None, None)]
    made = [Odd, Odd(), keras.Input((3,)), layers.Dense(3), built, tf.data.Dataset.range(3)]
    functions = [lambda: None, lambda x: x, lambda x, y: (x, y), lambda x, y, z: x, len, np.mean]
    returned = [None, math.nan, "text", [], {"a": 1}, np.zeros((2, 3)), *made]
    return [
        *numbers,
        *held,
        *made,
        compiled,
        keras.Sequential(),
        layers.Dense,
        keras.callbacks.Callback,
        *functions,
        *map(returning, returned),
    ]


@pytest.mark.parametrize("name", EXERCISES)
def test_odd_answer_is_not_told_that_it_raised_what_the_checker_raised(name, odd):
    exercise, solution = EXERCISES[name], EXERCISES[name].solution_source()
    if isinstance(solution, Mapping):
        odd = odd + [dict.fromkeys(solution, value) for value in odd] + [solution | {"another": 1}]
    if isinstance(solution, (list, tuple)):
        odd = odd + [[value] * len(solution) for value in odd]
    for answer in odd:
        verdict = exercise.verdict(answer)
        assert verdict.startswith("Not yet. "), (answer, verdict)
        assert not re.search(r"Your answer raised|Traceback|File \"", verdict), (answer, verdict)


@pytest.mark.parametrize("name", EXERCISES)
def test_two_wrong_answers_at_least(name):
    found = sum(wrong == name for wrong, _, _ in WRONG)
    assert found >= 2, f"tests/wrong_answers/{name.partition('.')[0]}.py has {found} for {name}"


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_go_on_and_end(name, capsys):
    exercise = EXERCISES[name]
    exercise._hints_given = 0
    for place in [*range(len(exercise.hints)), len(exercise.hints) - 1]:
        exercise.hint()
        lines = capsys.readouterr().out.splitlines()
        assert " ".join(lines).endswith(exercise.hints[place])
        assert max(map(len, lines)) <= 96


@pytest.mark.parametrize("name", EXERCISES)
def test_shown_solution_runs_in_a_cell_and_is_right(name):
    topic, _, short = name.partition(".")
    shown = solution(ROOT / "exercises" / f"{topic}.py", short)
    last = ast.parse(shown).body[-1]
    scope = dict(vars(importlib.import_module(f"exercises.{topic}")))
    exec(shown, scope)
    answer = eval(last.name if isinstance(last, ast.FunctionDef) else ast.unparse(last), scope)
    assert EXERCISES[name].verdict(answer).startswith("Right.")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_page_and_exercises_agree(page):
    """The page announces each exercise with its difficulty and minutes, and checks it once."""
    topic = page.topic
    text = page.text.read_text(encoding="utf-8")
    announced = re.findall(r"^\*\*Exercise \d+\*\* · (\w+) · (\d+) minutes\.", text, re.MULTILINE)
    checked = re.findall(rf"^{topic}\.(\w+)\.check\((?!prediction)", text, re.MULTILINE)
    mine = [name.partition(".")[2] for name in EXERCISES if name.startswith(f"{topic}.")]
    assert set(checked) == set(mine), f"what {page.text.name} checks, and what exercises/{topic}.py has"
    exercises_checked = [EXERCISES[f"{topic}.{name}"] for name in checked]
    needed = [(exercise.difficulty, str(exercise.minutes)) for exercise in exercises_checked]
    assert announced == needed, "an exercise begins so: **Exercise 1** · easy · 2 minutes. What to do"


def checker(answer):
    if answer != 42:
        raise WrongAnswer("Think bigger.")
    return "Well done."


def make(**changes):
    given = {
        "title": "the answer",
        "difficulty": "easy",
        "minutes": 1,
        "checker": checker,
        "hints": ("Deep thought.",),
        "solution_source": lambda: 42,
    }
    return Exercise(**given | changes)


class Held:
    units = ____


class Member:
    def method(self):
        return super().__init__() or ____


class Static:
    @staticmethod
    def method():
        return ____


class Property:
    @property
    def units(self):
        return ____


class Argument:
    def call(self, inputs, ____=None):
        return inputs


@pytest.mark.parametrize(
    "answer",
    [
        ____,
        [1, ____],
        {"a": ____},
        (____,),
        [[1], {"a": [____]}],
        np.array([1, ____]),
        lambda: ____,
        lambda: [____ for _ in range(3)],
        lambda x, y=____: x,
        lambda x, *, y=____: x,
        lambda: lambda: lambda x=____: x,
        functools.partial(max, ____),
        functools.partial(max, key=____),
        functools.cache(lambda: ____),
        tf.function(lambda: ____),
        returning(____),
        Held,
        Member,
        Member().method,
        Static,
        Property,
        Argument,
    ],
)
def test_blank_waits(answer, capsys):
    assert has_blank(answer)
    make().check(answer)
    assert capsys.readouterr().out.startswith("Waiting for your answer: the answer.")


def test_what_was_filled_in_does_not_wait():
    class Filled:
        def method(self):
            return super().method()

    itself = []
    itself.append(itself)
    for answer in (
        Filled,
        Filled().method,
        itself,
        np.zeros(3),
        lambda x=1: x,
        functools.partial(max, 3),
        layers.Dense,
    ):
        assert not has_blank(answer)


def test_verdicts():
    assert make().verdict(42) == "Right. Well done."
    assert make().verdict(41) == "Not yet. Think bigger."


def of_a_function(**changes):
    return make(checker=lambda answer: f"It gives {answer()}.", solution_source=lambda: lambda: 42, **changes)


def test_error_in_an_answer_names_its_line():
    def answer():
        return int("four")

    verdict = of_a_function().verdict(answer)
    assert verdict.startswith("Not yet. Your answer raised ValueError: invalid literal")
    assert verdict.endswith('of the cell:\n    return int("four")')


def test_error_in_what_an_answer_made_names_its_line():
    class Made:
        def __str__(self):
            return int("five")

    verdict = of_a_function().verdict(Made)
    assert verdict.startswith("Not yet. Your answer raised ValueError: invalid literal")
    assert verdict.endswith('of the cell:\n    return int("five")')


def test_error_in_an_answer_is_shown_without_colours_and_nodes():
    def answer():
        raise ValueError("\x1b[1mCannot add\x1b[0m {{function_node __wrapped__AddV2_device_/job:localhost}} two shapes")

    assert of_a_function().verdict(answer).startswith("Not yet. Your answer raised ValueError: Cannot add two shapes\n")


def test_error_in_a_graph_names_the_line_that_was_written():
    def answer():
        return tf.data.Dataset.range(3).map(lambda number: number.nothing)

    verdict = of_a_function().verdict(answer)
    assert re.match(
        r"Not yet. Your answer raised AttributeError: '\w*Tensor' object has no attribute 'nothing'\n", verdict
    )
    assert verdict.endswith("return tf.data.Dataset.range(3).map(lambda number: number.nothing)")


@pytest.mark.parametrize(
    "function", [functools.partial(int, "four"), functools.partial(np.random.default_rng().integers, -1)]
)
def test_error_that_no_line_of_the_learner_raised_is_not_told_as_hers(function):
    scope = {}
    exec(compile("checker = lambda answer: answer()", Path(exercises.__file__).with_name("made.py"), "exec"), scope)
    verdict = make(checker=scope["checker"], solution_source=lambda: lambda: 42).verdict(function)
    assert verdict == "Not yet. What it gives has another form than is asked for: the answer."


@pytest.mark.parametrize("changes", [{"difficulty": "trivial"}, {"hints": ()}])
def test_badly_made_exercise_is_refused(changes):
    with pytest.raises(ValueError):
        make(**changes)


def test_modules_of_answers_belong_to_topics():
    assert sorted(path.stem for path in (HERE / "wrong_answers").glob("*.py")) == sorted(TOPICS)
    assert sorted(path.stem for path in (HERE / "right_answers").glob("*.py")) == sorted(TOPICS)


# --- the form of an answer


@pytest.mark.parametrize(
    ("answer", "solution", "taken"),
    [
        (3, 5, 3),
        (np.int64(3), 5, 3),
        (np.array(3.5), 5, 3.5),
        (tf.constant(3), 5, 3),
        (keras.Variable(2.0), 5, 2.0),
        (10**30, 5, 1e30),
        (-(10**400), 5, -math.inf),
        ([4, 2], (1, 2, 3), (4, 2)),
        (np.array([[4, 2.5]]), [1, 2, 3], (4, 2.5)),
        (tf.constant([[4, 2]]), [1, 2, 3], (4, 2)),
        ([tf.constant(4), np.float32(2)], [1, 2], (4, 2)),
        (tf.TensorShape([None, 4]), [1, 2], (None, 4)),
        (range(2), [1, 2], (0, 1)),
        ({"a": tf.constant(2), "b": np.float64(3)}, {"a": 1, "b": 2}, {"a": 2, "b": 3}),
        ({"b": "yes", "a": "no"}, {"a": "yes", "b": "no"}, {"a": "no", "b": "yes"}),
        ({"a": None, "b": tf.constant(2)}, {"a": 1, "b": "an error"}, {"a": None, "b": 2}),
    ],
)
def test_form_is_that_of_the_solution_whatever_holds_it(answer, solution, taken):
    found = in_form(answer, solution)
    assert found == taken and type(found) is type(taken)


@pytest.mark.parametrize("answer", [max, int, functools.partial(max, 2), tf.function(lambda x: x), lambda *all: all])
def test_function_may_be_whatever_takes_its_arguments(answer):
    assert in_form(answer, lambda x: x) is answer


@pytest.mark.parametrize(
    ("answer", "solution", "told"),
    [
        ("3", 5, "one number, without quotes, brackets or commas, not '3'"),
        ([3], 5, "not [3]"),
        (True, 5, "not True"),
        (np.zeros(3), 5, "not an array of shape (3,)"),
        (keras.Input((), batch_size=None), 5, "not a KerasTensor"),
        (8, (1, 2, 3), "three numbers in brackets, without quotes, not 8"),
        (["red", "blue"], (1, 2), "two numbers"),
        ({7, 4}, (1, 2), "not {4, 7}"),
        ([[1], [2, 3]], (1, 2), "two numbers"),
        ([1, 2], {"a": 1}, "Keep the dictionary, and replace nothing but the blanks. This is [1, 2]."),
        ({"a": 1}, {"a": 1, "b": 2}, "no answer for b"),
        ({"a": 1, "c": 2}, {"a": 1}, "Nothing was asked about 'c'"),
        ({"a": "1"}, {"a": 1}, "a: give one number, without quotes, not '1'"),
        ({"a": None}, {"a": "None"}, 'a: write words in quotes, "None", not None'),
        (3, lambda path: path, "Give a function of one argument, not 3."),
        (layers.Dense(3), lambda: 3, "without calling it, not a Dense"),
        (lambda: 3, lambda path: path, "It is called with one argument"),
        (lambda path, *, mode: path, lambda path: path, "Yours takes (path, *, mode)."),
        (lambda a, b: a, lambda path: path, "Yours takes (a, b)."),
    ],
)
def test_other_form_is_named(answer, solution, told):
    with pytest.raises(WrongAnswer, match=re.escape(told)):
        in_form(answer, solution)
