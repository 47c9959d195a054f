"""Wrong answers that people give on page 08, and a word of what they are told."""

import keras
from keras import layers

from exercises import reuse as page


def copied(model, layer):
    copy = keras.models.clone_model(model)
    return keras.Model(copy.inputs[0], copy.get_layer(layer).output)


def head(frozen="before", compiled=True, optimizer="adam", activation="softmax", classes=None, whole=False):
    def head_on_frozen(base, count):
        base.trainable = frozen != "before"
        image = keras.Input((28, 28, 1))
        model = keras.Model(image, layers.Dense(classes or count, activation=activation)(base(image)))
        model.trainable = not whole
        if compiled:
            model.compile(optimizer, "sparse_categorical_crossentropy")
        return model

    return head_on_frozen


def on_a_copy(base, classes):
    copy = keras.models.clone_model(base)
    copy.trainable = False
    return page._solve_frozen_head()(copy, classes)


def training(rate=0.03, frozen=True, epochs=25, makes=page.trained_base, again=False):
    def train(x_train, y_train, x_val, y_val):
        base = makes()
        base.trainable = not frozen
        model = keras.Model(base.inputs[0], layers.Dense(5, activation="softmax")(base.outputs[0]))
        model.compile(keras.optimizers.Adam(rate), page.LOSS, metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=1, batch_size=16, verbose=0)
        base.trainable = False
        if again:
            model.compile(keras.optimizers.Adam(rate), page.LOSS, metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=epochs, batch_size=16, verbose=0)
        return model

    return train


def built(makes=page.trained_base, rate=0.03, frozen=True, scale=None):
    def build():
        base = makes()
        base.trainable = not frozen
        image = keras.Input((28, 28, 1))
        scaled = layers.Rescaling(scale)(image) if scale else image
        model = keras.Model(image, layers.Dense(5, activation="softmax")(base(scaled)))
        model.compile(keras.optimizers.Adam(rate), page.LOSS)
        return model

    return build


WRONG = [
    (page.extractor, lambda model, layer: keras.Model(model.inputs, model.get_layer(layer).output), "model.inputs is a list"),
    (page.extractor, lambda model, layer: keras.Model(model.inputs[0], model.layers[-2].output), "Does it use the name?"),
    (page.extractor, lambda model, layer: model, "still ends with the head"),
    (page.extractor, lambda model, layer: model.get_layer(layer), "must return a model"),
    (page.extractor, copied, "weights of its own"),
    (page.trainable_count, 448, "also adds a bias"),
    (page.trainable_count, 325, "five classes"),
    (page.trainable_count, 23_751, "The base is frozen"),
    (page.trainable_count, 2, "How many numbers"),
    (page.frozen_head, head(frozen="no"), "Was it frozen before"),
    (page.frozen_head, head(compiled=False), "not compiled"),
    (page.frozen_head, head(optimizer="sgd"), "not with Adam"),
    (page.frozen_head, head(activation=None), "no probabilities"),
    (page.frozen_head, head(classes=5), "should give (6, 3)"),
    (page.frozen_head, head(whole=True), "changes nothing at all"),
    (page.frozen_head, on_a_copy, "The base that it is given is not in it"),
    (page.lost_base, training(frozen=False, again=True), "The fault is still there"),
    (page.lost_base, training(rate=0.02), "learning rate: 0.03 became 0.02"),
    (page.lost_base, training(epochs=80), "epochs: 26 became 81"),
    (page.lost_base, training(makes=page.make_base), "The fault is still there"),
    (page.beat_scratch, built(makes=page.make_base, frozen=False, rate=0.003), "should reach 0.5"),
    (page.beat_scratch, built(makes=page.make_base), "should reach 0.5"),
    (page.beat_scratch, built(rate=0.001), "should reach 0.5"),
    (page.beat_scratch, built(scale=1 / 255), "should reach 0.5"),
]  # fmt: skip
