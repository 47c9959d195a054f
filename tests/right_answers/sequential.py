"""Right answers of other kinds on page 01."""

import keras
from keras import layers

from exercises import sequential as page


def learner(optimizer, *hidden, last="softmax", **compiling):
    def quick_learner():
        image = keras.Input((28, 28))
        x = layers.Flatten()(image)
        for units in hidden:
            x = layers.Dense(units, activation="relu")(x)
        model = keras.Model(image, layers.Dense(10, activation=last)(x))
        given = {"loss": "sparse_categorical_crossentropy"} | compiling
        model.compile(optimizer=keras.optimizers.get(optimizer), **given)
        return model

    return quick_learner


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.005}}
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.03, "momentum": 0.9}}

RIGHT = [
    (page.quick_learner, learner("adam", 100)),
    (page.quick_learner, learner(SGD, 100, metrics=["accuracy"])),
    (page.quick_learner, learner(ADAM, 64, 32, last=None, loss=LOGITS)),
]
