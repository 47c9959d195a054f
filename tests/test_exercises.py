"""Each exercise knows its solution, wrong answers that people give, and an untouched blank.

The wrong answers stand in tests/wrong_answers, a module a page.
"""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import exercises
from exercises import Exercise, ____
from exercises.exercise import WrongAnswer, has_blank
from workbook.pages import ROOT, pages
from workbook.solution_blocks import solution

TOPICS = [m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name != "exercise" and not m.ispkg]
EXERCISES = {
    f"{topic}.{name}": value
    for topic in TOPICS
    for name, value in vars(importlib.import_module(f"exercises.{topic}")).items()
    if isinstance(value, Exercise)
}
for exercise in EXERCISES.values():
    if hasattr(exercise, "seeds"):
        exercise.seeds = exercise.seeds[:1]  # a training each; tests/test_kinds.py has several
WRONG = [
    (name, answer, told)
    for topic in TOPICS
    if (Path(__file__).parent / "wrong_answers" / f"{topic}.py").is_file()  # a test below names one that is missing
    for exercise, answer, told in importlib.import_module(f"tests.wrong_answers.{topic}").WRONG
    for name in EXERCISES
    if EXERCISES[name] is exercise
]


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_wrong_answer_is_told_what_is_wrong(name, answer, told):
    verdict = EXERCISES[name].verdict(answer)
    assert verdict.startswith("Not yet.")
    assert told in verdict


def test_other_right_answers_are_right_too():
    import keras
    from keras import layers

    from exercises import autodiff, functional, sequential

    def without_sequential():
        image = keras.Input((28, 28))
        x = layers.ReLU()(layers.Dense(40)(layers.Flatten()(image)))
        x = layers.Dense(20, activation=layers.LeakyReLU())(x)
        return keras.Model(image, layers.Softmax()(layers.Dense(10)(x)))

    def in_a_list(model):
        model.compile(optimizer="sgd", loss=[keras.losses.CategoricalCrossentropy(from_logits=True)])
        return model

    def with_a_layer_for_relu(x):
        f = layers.ReLU()(layers.Dense(32)(x))
        return x + layers.Dense(x.shape[-1])(f)

    def with_a_model_inside(x):
        return x + keras.Sequential([layers.Dense(32, "relu"), layers.Dense(x.shape[-1])])(x)

    def with_a_deep_encoder():
        left, right = keras.Input((28, 28), name="left"), keras.Input((28, 28), name="right")
        encoder = keras.Sequential([layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(16)])
        distance = keras.ops.abs(encoder(left) - encoder(right))
        return keras.Model([left, right], layers.Dense(1, activation="sigmoid")(distance))

    assert sequential.small_classifier.verdict(without_sequential).startswith("Right.")
    assert sequential.loss_for_logits.verdict(in_a_list).startswith("Right.")
    assert sequential.parameter_count.verdict(np.int64(50_890)).startswith("Right.")
    assert functional.residual_block.verdict(with_a_layer_for_relu).startswith("Right.")
    assert functional.residual_block.verdict(with_a_model_inside).startswith("Right.")
    assert functional.same_class.verdict(with_a_deep_encoder).startswith("Right.")
    assert autodiff.loss_of_an_epoch.verdict(0.69).startswith("Right.")


@pytest.mark.parametrize("name", EXERCISES)
def test_two_wrong_answers_at_least(name):
    found = sum(wrong == name for wrong, _, _ in WRONG)
    assert found >= 2, f"tests/wrong_answers/{name.partition('.')[0]}.py has {found} for {name}"


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_go_on_and_end(name, capsys):
    exercise = EXERCISES[name]
    exercise._hints_given = 0
    for number in [*range(len(exercise.hints)), len(exercise.hints) - 1]:
        exercise.hint()
        lines = capsys.readouterr().out.splitlines()
        assert " ".join(lines).endswith(exercise.hints[number])
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
    topic = page.name[3:]
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


@pytest.mark.parametrize(
    "answer",
    [____, [1, ____], {"a": ____}, lambda: ____, lambda: [____ for _ in range(3)], (____,)],
)
def test_blank_waits(answer, capsys):
    assert has_blank(answer)
    make().check(answer)
    assert capsys.readouterr().out.startswith("Waiting for your answer: the answer.")


def test_verdicts(capsys):
    assert make().verdict(42) == "Right. Well done."
    assert make().verdict(41) == "Not yet. Think bigger."
    raising = make(checker=lambda answer: answer / 0)
    assert raising.verdict(1) == "Not yet. Your answer raised ZeroDivisionError: division by zero"


def test_error_in_an_answer_names_its_line():
    def answer():
        return int("four")

    verdict = make(checker=lambda answer: answer()).verdict(answer)
    assert verdict.startswith("Not yet. Your answer raised ValueError: invalid literal")
    assert verdict.endswith('of the cell:\n    return int("four")')


def test_error_in_an_answer_is_shown_without_colours_and_nodes():
    def answer():
        raise ValueError("\x1b[1mCannot add\x1b[0m {{function_node __wrapped__AddV2_device_/job:localhost}} two shapes")

    verdict = make(checker=lambda answer: answer()).verdict(answer)
    assert verdict.startswith("Not yet. Your answer raised ValueError: Cannot add two shapes\n")


@pytest.mark.parametrize("changes", [{"difficulty": "trivial"}, {"hints": ()}])
def test_badly_made_exercise_is_refused(changes):
    with pytest.raises(ValueError):
        make(**changes)


def test_modules_of_wrong_answers_belong_to_topics():
    folder = Path(__file__).parent / "wrong_answers"
    assert sorted(path.stem for path in folder.glob("*.py")) == sorted(TOPICS)
