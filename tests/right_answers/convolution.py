"""Right answers of other kinds on page 05."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises import convolution as page

CONVOLVED = layers.Conv2D(32, 5, 2, "same").compute_output_shape((None, 50, 50, 3))


def model_of(*stack, rate=0.005):
    model = keras.Sequential([keras.Input((28, 28, 1)), *stack])
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    return model


def conv(filters, k=3, s=1, **settings):
    return layers.Conv2D(filters, k, strides=s, padding="same", activation="relu", **settings)


def strided():
    end = [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, "softmax")]
    return model_of(conv(8, 5, 2), conv(16), *end[:1], conv(8), *end, rate=0.01)


def pooled_at_last():
    end = [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, "softmax")]
    return model_of(conv(8), layers.MaxPooling2D(), conv(8), layers.MaxPooling2D(), *end, rate=0.01)


def functional():
    x = image = keras.Input((28, 28, 1))
    for filters in (8, 16, 8):
        x = layers.MaxPooling2D()(conv(filters)(x))
    model = keras.Model(image, layers.Dense(10)(layers.Flatten()(x)))
    model.compile(keras.optimizers.Adam(0.005), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def training(block, momentum=0.8, **settings):
    def train(x_train, y_train, x_val, y_val):
        stack = [keras.Input((28, 28, 1))]
        for filters in (8, 16):
            stack += block(filters, momentum)
        model = keras.Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])
        model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
        model.fit(x_train, y_train, batch_size=64, epochs=2, verbose=0, **settings)
        return model

    return train


def normed(filters, momentum):
    convolution = layers.Conv2D(filters, 3, padding="same", use_bias=False)
    return [convolution, layers.BatchNormalization(momentum=momentum), layers.ReLU(), layers.MaxPooling2D()]


def exact_statistics(x_train, y_train, x_val, y_val):
    model = training(normed, 0.99)(x_train, y_train, x_val, y_val)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(x_train, training=True)
    return model


RIGHT = [
    (page.shape_after_pooling, [8, 8, 32]),
    (page.shape_after_pooling, np.array([8, 8, 32])),
    (page.shape_after_pooling, layers.MaxPooling2D(3).compute_output_shape(CONVOLVED)[1:]),
    (page.shape_after_pooling, tf.TensorShape([8, 8, 32])),
    (page.parameters_of_two, np.int64(20_864)),
    (page.parameters_of_two, 20_864.0),
    (page.parameters_of_two, sum([5 * 5 * 3 * 32, 32, 3 * 3 * 32 * 64])),
    (page.small_convnet, strided),
    (page.small_convnet, pooled_at_last),
    (page.small_convnet, functional),
    (page.lost_in_validation, training(normed, 0.7)),
    (page.lost_in_validation, training(normed, 0.8, validation_split=0.0)),
    (page.lost_in_validation, exact_statistics),
]  # fmt: skip
