"""Wrong answers that people give on page 05, and a word of what they are told."""

import keras
from keras import layers

from exercises import convolution as page


def model_of(*stack, rate=0.005, shape=(28, 28, 1)):
    model = keras.Sequential([keras.Input(shape), *stack, layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    return model


def conv(filters):
    return layers.Conv2D(filters, 3, padding="same", activation="relu")


def that_of_the_page():
    return model_of(conv(8), layers.MaxPooling2D(), conv(16), layers.MaxPooling2D(), layers.Flatten())


def without_flatten():
    return model_of(conv(8), layers.MaxPooling2D(), conv(16), layers.MaxPooling2D())


def few_dense_units():
    return model_of(layers.Flatten(), layers.Dense(4, activation="relu"))


def global_average():
    return model_of(conv(8), layers.MaxPooling2D(), conv(16), layers.GlobalAveragePooling2D(), rate=0.001)


def trained(momentum=0.99, epochs=2, batch_size=64, rate=0.003, filters=(8, 16)):
    def train(x_train, y_train, x_val, y_val):
        stack = [keras.Input((28, 28, 1))]
        for count in filters:
            stack += [
                layers.Conv2D(count, 3, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=momentum),
                layers.ReLU(),
                layers.MaxPooling2D(),
            ]
        model = keras.Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        model.fit(x_train, y_train, epochs=epochs, batch_size=batch_size, verbose=0)
        return model

    return train


WRONG = [
    (page.shape_after_pooling, (25, 25, 32), "after the convolution"),
    (page.shape_after_pooling, (9, 9, 32), "border"),
    (page.shape_after_pooling, (16, 16, 32), "stride 2"),
    (page.shape_after_pooling, (23, 23, 32), "not 1 by default"),
    (page.shape_after_pooling, (8, 8, 1), "as many as the filters"),
    (page.shape_after_pooling, (None, 8, 8, 32), "batch out"),
    (page.shape_after_pooling, 8, "three numbers"),
    (page.parameters_of_two, 2_432, "first convolution alone"),
    (page.parameters_of_two, 18_432, "second convolution alone"),
    (page.parameters_of_two, 20_832, "a bias for each filter"),
    (page.parameters_of_two, 20_928, "no bias"),
    (page.parameters_of_two, 19_264, "three channels"),
    (page.parameters_of_two, 3_008, "as the first one makes"),
    (page.parameters_of_two, "20,864", "number"),
    (page.small_convnet, that_of_the_page, "4,000 are allowed"),
    (page.small_convnet, without_flatten, "It should give"),
    (page.small_convnet, few_dense_units, "short"),
    (page.small_convnet, global_average, "short"),
    (page.small_convnet, that_of_the_page(), "without calling it"),
    (page.lost_in_validation, trained(rate=0.001), "The fault is still there"),
    (page.lost_in_validation, trained(filters=(16, 32)), "The fault is still there"),
    (page.lost_in_validation, trained(momentum=0.8, epochs=3), "epochs: 2 became 3"),
    (page.lost_in_validation, trained(momentum=0.8, batch_size=32), "steps of an epoch"),
    (page.lost_in_validation, trained(momentum=0.8, rate=0.01), "learning rate"),
]  # fmt: skip
