"""Right answers of other kinds on page 08."""

import keras
import tensorflow as tf
from keras import layers

from exercises import reuse as page


def with_input(model, layer):
    return keras.Model(inputs=model.input, outputs=model.get_layer(layer).output)


def searched(model, layer):
    found = next(candidate for candidate in model.layers if candidate.name == layer)
    return keras.Model(model.layers[0].output, found.output)


def called_again(model, layer):
    """A new input, and the same layers called on it."""
    x = image = keras.Input(model.input_shape[1:])
    for part in model.layers[1:]:
        x = part(x)
        if part.name == layer:
            return keras.Model(image, x)


def in_one_piece(base, classes):
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(classes), layers.Softmax()])
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


def layer_by_layer(base, classes):
    model = page.with_head(base, classes)
    for layer in base.layers:
        layer.trainable = False
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


def cut_from_the_base(base, classes):
    base.trainable = False
    model = keras.Model(base.inputs[0], layers.Dense(classes, activation="softmax")(base.outputs[0]))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def compiled_twice(base, classes):
    model = page.with_head(base, classes)
    model.compile("adam", "sparse_categorical_crossentropy")
    base.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def on_top(base):
    return keras.Model(base.inputs[0], layers.Dense(5, activation="softmax")(base.outputs[0]))


SETTINGS = {"batch_size": 16, "verbose": 0}


def frozen_at_the_beginning(x_train, y_train, x_val, y_val):
    base = page.trained_base()
    base.trainable = False
    model = on_top(base)
    model.compile(keras.optimizers.Adam(0.03), page.LOSS, metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=1, **SETTINGS)
    model.fit(x_train, y_train, epochs=25, validation_data=(x_val, y_val), validation_freq=25, **SETTINGS)
    return model


def frozen_before_compile(x_train, y_train, x_val, y_val):
    base = page.trained_base()
    model = on_top(base)
    base.trainable = False
    model.compile(keras.optimizers.Adam(0.03), page.LOSS)
    model.fit(x_train, y_train, epochs=26, **SETTINGS)
    return model


def each_layer_frozen(x_train, y_train, x_val, y_val):
    base = page.trained_base()
    for layer in base.layers:
        layer.trainable = False
    model = on_top(base)
    model.compile(keras.optimizers.Adam(0.03), page.LOSS)
    pipeline = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(16)
    model.fit(pipeline, epochs=26, verbose=0)
    return model


def frozen_through_the_model(x_train, y_train, x_val, y_val):
    model = on_top(page.trained_base())
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=1, **SETTINGS)
    model.fit(x_train, y_train, epochs=25, **SETTINGS)
    return model


def normalized_features():
    """The features on one scale, by a batch normalization in the head."""
    base = page.trained_base()
    base.trainable = False
    model = keras.Sequential([base, layers.BatchNormalization(), layers.Dense(5, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.03), page.LOSS)
    return model


def deeper_head():
    base = page.trained_base()
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(64, activation="relu"), layers.Dense(5, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), page.LOSS)
    return model


def logits():
    base = page.trained_base()
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(5)])
    model.compile(keras.optimizers.Adam(0.03), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


RIGHT = [
    (page.extractor, with_input),
    (page.extractor, searched),
    (page.extractor, called_again),
    (page.frozen_head, in_one_piece),
    (page.frozen_head, layer_by_layer),
    (page.frozen_head, cut_from_the_base),
    (page.frozen_head, compiled_twice),
    (page.lost_base, frozen_at_the_beginning),
    (page.lost_base, frozen_before_compile),
    (page.lost_base, each_layer_frozen),
    (page.lost_base, frozen_through_the_model),
    (page.beat_scratch, normalized_features),
    (page.beat_scratch, deeper_head),
    (page.beat_scratch, logits),
]
