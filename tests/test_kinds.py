"""Exercises that do more than look at an answer: predict, train, diagnose."""

import importlib
import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from exercises import ____
from exercises.exercise import WrongAnswer
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.prediction import Prediction
from exercises.kinds.training import Training, seeded
from workbook.pages import pages

# --- predict --------------------------------------------------------------------------------------


def prediction(**changes):
    given = {"title": "how it ends", "outcomes": {"A": 1, "B": lambda loss: loss > 2, "C": np.nan}, "because": "So."}
    return Prediction(**given | changes)


def test_prediction_waits_until_a_letter_is_given(capsys):
    prediction().check(____, 1)
    assert capsys.readouterr().out == (
        'Waiting for your prediction: how it ends.\nReplace ____ by "A", "B" or "C" and run the cell again.\n'
    )


@pytest.mark.parametrize(
    ("letter", "came_out", "told"),
    [
        ("A", 1, "Right. You said A, and A came out. So."),
        (" b", 2.5, "Right. You said B, and B came out. So."),
        ("A", np.float32(3), "Not yet. You said A, and B came out. So."),
        ("D", 1, 'Not yet. Predict "A", "B" or "C", in quotes, not \'D\'.'),
        (1, 1, 'Not yet. Predict "A", "B" or "C", in quotes, not 1.'),
        ("A", 1.5, "Not yet. What came out is none of the answers: 1.5. Has the cell been changed?"),
        (____, "nothing", "Not yet. What came out is none of the answers: 'nothing'. Has the cell been changed?"),
    ],
)
def test_prediction_is_compared_with_what_came_out(letter, came_out, told):
    assert prediction().verdict(letter, came_out) == told


@pytest.mark.parametrize("outcomes", [{"A": 1}, {"a": 1, "b": 2}, {"A": 1, "none": 2}])
def test_badly_made_prediction_is_refused(outcomes):
    with pytest.raises(ValueError, match="how it ends"):
        prediction(outcomes=outcomes)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_page_asks_for_its_predictions_and_lists_their_letters(page):
    topic, text = page.topic, page.text.read_text(encoding="utf-8")
    module = importlib.import_module(f"exercises.{topic}") if f"\n{topic}." in text else None
    mine = {name: value for name, value in vars(module).items() if isinstance(value, Prediction)} if module else {}
    asked = re.findall(rf"^{topic}\.(\w+)\.check\(prediction, ", text, re.MULTILINE)
    assert sorted(asked) == sorted(mine)
    for name in asked:
        question = text.partition(f"{topic}.{name}.check(")[0].rpartition("**Predict.**")[2].partition("```")[0]
        assert re.findall(r"\*\*([A-Z])\*\*", question) == list(mine[name].outcomes)


PAGE_01 = [
    ("C", 78_500, "Right."),
    ("c", np.int64(78_500), "Right."),
    ("A", 78_500, "Not yet."),
    ("B", 78_500, "Not yet."),
]


@pytest.mark.parametrize(("letter", "parameters", "begin"), PAGE_01)
def test_prediction_of_page_01(letter, parameters, begin):
    from exercises import sequential

    assert sequential.first_dense.verdict(letter, parameters).startswith(f"{begin} You said {letter.upper()}, and C")


# --- train and diagnose ---------------------------------------------------------------------------


def two_clouds():
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    y = np.arange(40) % 2
    x += 6 * y[:, None] - 3
    return x, y, x, y


def model(rate=0.5, loss="sparse_categorical_crossentropy", units=2):
    built = keras.Sequential([keras.Input((2,)), layers.Dense(units, activation="softmax")])
    built.compile(keras.optimizers.SGD(rate), loss=loss)
    return built


def learner():
    return model()


COMMON = {
    "title": "two clouds",
    "difficulty": "easy",
    "minutes": 1,
    "hints": ("Deep thought.",),
    "data": two_clouds,
    "at_least": 0.9,
}


def training(**changes):
    given = {"solution_source": lambda: learner, "epochs": 2, "batch_size": 8, "seeds": (0, 1)}
    return Training(**COMMON | given | changes)


def test_training_tells_what_each_seed_reached():
    verdict = training().verdict(learner)
    assert re.fullmatch(
        r"Right\. Validation accuracy: [01]\.\d{3}, [01]\.\d{3}, each from another seed\. 0\.9 was asked for\.",
        verdict,
    )


def test_training_that_falls_short_tells_how_far_and_that_the_loss_does_not_fall():
    verdict = training(seeds=(0,), at_least=1.5).verdict(lambda: model(rate=0.0))
    assert re.search(r"It should reach 1\.5, and it is (\d\.\d{3}) short\.", verdict)
    reached, short = (float(found) for found in re.findall(r"\d\.\d{3}", verdict))
    assert np.isclose(reached + short, 1.5)
    assert verdict.endswith(", so it hardly falls.")


def test_model_that_was_trained_is_refused():
    trained = model()
    trained.optimizer.iterations.assign(1)
    assert "has been trained already" in training().verdict(lambda: trained)


def test_a_function_that_trains_by_itself_is_refused():
    def trained():
        built = model()
        x, y, *_ = two_clouds()
        built.fit(x, y, verbose=0)
        built.compile("sgd", loss="sparse_categorical_crossentropy")
        return built

    assert "The function calls `fit`" in training().verdict(trained)


def test_model_or_layers_that_are_made_once_are_refused():
    once, dense = model(), layers.Dense(2, activation="softmax")

    def compiled_again():
        once.compile("sgd", loss="sparse_categorical_crossentropy")
        return once

    def around_a_layer():
        built = keras.Sequential([keras.Input((2,)), dense])
        built.compile("sgd", loss="sparse_categorical_crossentropy")
        return built

    for answer in (compiled_again, around_a_layer):
        assert "weights that it gave before" in training().verdict(answer)


def test_what_keras_cannot_train_is_told():
    verdict = training().verdict(lambda: model(loss="categorical_crossentropy"))
    assert verdict.startswith("Not yet. Keras cannot train it.") and "(ValueError: " in verdict


def test_loss_that_is_no_number_is_told():
    verdict = training().verdict(lambda: model(loss=lambda y, p: p[:, 0] * np.nan))
    assert verdict.startswith("Not yet. After 1 epoch(s) the loss is nan.")


def test_model_that_breaks_a_rule_is_not_trained():
    def refuse(built):
        raise WrongAnswer(f"{built.count_params()} parameters")

    assert training(refuse=refuse).verdict(learner) == "Not yet. 6 parameters"


def test_the_seeds_of_the_notebook_are_as_before():
    def drawn():
        return [float(tf.random.uniform(())), random.random(), np.random.random()]

    keras.utils.set_random_seed(7)
    expected = drawn()
    keras.utils.set_random_seed(7)
    with seeded(0):
        assert not np.isin(drawn(), expected).any()
    assert drawn() == expected
    tf.random.set_seed(None)


def without_a_step(x_train, y_train, x_val, y_val):
    built = model(rate=0.0)
    built.fit(x_train, y_train, epochs=2, batch_size=8, verbose=0)
    return built


def mended(x_train, y_train, x_val, y_val):
    built = model()
    built.fit(x_train, y_train, epochs=2, batch_size=8, verbose=0)
    return built


def diagnosis(**changes):
    given = {
        "solution_source": lambda: mended,
        "broken": without_a_step,
        "fault": "It took no step.",
        "may_change": {"learning rate"},
        "seeds": (0, 1),
    }
    return Diagnosis(**COMMON | given | changes)


def test_function_as_it_was_given_waits():
    def renamed(x_train, y_train, x_val, y_val):
        built = model(rate=0.0)  # a remark
        built.fit(
            x_train, y_train,
            epochs=2, batch_size=8, verbose=0,
        )  # fmt: skip
        return built

    verdict = diagnosis().verdict(renamed)
    assert verdict.startswith("Waiting for your answer: two clouds.\nFind the fault")


def test_diagnosis_tells_that_the_fault_is_gone_and_what_else_was_changed():
    exercise = diagnosis()
    verdict = exercise.verdict(mended)
    assert verdict.startswith("Right. It took no step. Validation accuracy: ")
    exercise.may_change = ()
    assert exercise.verdict(mended).endswith("Put it back:\nlearning rate: 0.0 became 0.5")


def test_data_that_come_in_another_form_are_a_change():
    def from_a_generator(x_train, y_train, x_val, y_val):
        built = model()
        batches = ((x_train[i : i + 8] * 4, y_train[i : i + 8]) for _ in range(2) for i in range(0, 40, 8))
        built.fit(batches, epochs=2, steps_per_epoch=5, verbose=0)
        return built

    verdict = diagnosis().verdict(from_a_generator)
    assert "what it is trained on: 40 examples" in verdict and "became a generator" in verdict


def test_a_mended_training_that_goes_on_with_its_model_is_no_diagnosis():
    once = model()

    def train(x_train, y_train, x_val, y_val):
        once.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
        once.fit(x_train, y_train, epochs=2, batch_size=8, verbose=0)
        return once

    assert "weights that it gave before" in diagnosis().verdict(train)


def test_training_of_the_learner_is_stopped_when_its_time_is_over():
    fit = keras.Model.fit
    assert diagnosis(seconds=0).verdict(mended).startswith("Not yet. The 0 seconds are over")
    assert keras.Model.fit is fit
