"""Wrong answers that people give on page 07, and a word of what they are told."""

import keras
from keras import layers

from exercises import functional as page

INDICES, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"
LOSSES = {"digit": INDICES, "is_even": BINARY}
WEIGHTS = {"digit": 1.0, "is_even": 0.5}
METRICS = {"digit": ["accuracy"], "is_even": ["accuracy"]}


def block(combine, first=32, second=None, activation=None, relu="relu"):
    def residual_block(x):
        f = layers.Dense(first, activation=relu)(x)
        f = layers.Dense(second or x.shape[-1], activation=activation)(f)
        return combine(x, f)

    return residual_block


def add(x, f):
    return layers.Add()([x, f])


def compiling(loss=LOSSES, loss_weights=WEIGHTS, metrics=METRICS):
    def compile_two(model):
        model.compile(optimizer="adam", loss=loss, loss_weights=loss_weights, metrics=metrics)
        return model

    return compile_two


def copied(model):
    copy = keras.models.clone_model(model)
    return keras.Model(copy.inputs[0], copy.get_layer("main_output").output)


def comparing(join, encoders=1, activation="sigmoid", flat=True, names=("left", "right"), units=1):
    def same_class():
        left, right = (keras.Input((28, 28), name=name) for name in names)
        first = layers.Dense(16, activation="relu")
        second = first if encoders == 1 else layers.Dense(16, activation="relu")
        a, b = (layers.Flatten()(x) if flat else x for x in (left, right))
        joined = join(first(a), second(b))
        return keras.Model([left, right], layers.Dense(units, activation=activation)(joined))

    return same_class


def distance(a, b):
    return keras.ops.abs(a - b)


def training(block, blocks=8, epochs=3, rate=0.003):
    def train(x_train, y_train, x_val, y_val):
        image = keras.Input((28, 28))
        x = layers.Dense(32)(layers.Flatten()(image))
        for _ in range(blocks):
            x = block(x)
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        model.fit(x_train, y_train, epochs=epochs, batch_size=32, verbose=0)
        return model

    return train


def around(first="sigmoid", last="zeros", skip=True):
    """A block; without the skip it is the broken one."""

    def block(x):
        h = layers.Dense(32, activation=first)(x)
        f = layers.Dense(32, kernel_initializer=last)(h)
        return layers.Add()([x if skip else h, f])

    return block


def stacked(block, blocks, forgets=False):
    def twenty_layers():
        image = keras.Input((28, 28))
        x = layers.Dense(32, activation="relu")(layers.Flatten()(image))
        for _ in range(blocks):
            made = block(x)
            x = x if forgets else made
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile("adam", loss="sparse_categorical_crossentropy")
        return model

    return twenty_layers


def plain(x):
    return layers.Dense(32, activation="relu")(x)


def dead(x):
    return layers.Add()([x, layers.Dense(32, activation="relu")(x)])


WRONG = [
    (page.residual_block, lambda x: None, "return"),
    (page.residual_block, lambda x: layers.Add(), "called on x"),
    (page.residual_block, block(lambda x, f: layers.Concatenate()([x, f])), "side by side"),
    (page.residual_block, block(lambda x, f: f), "x itself"),
    (page.residual_block, block(add, second=1), "one number"),
    (page.residual_block, block(add, second=12), "incompatible shapes"),
    (page.residual_block, block(add, activation="relu"), "subtract"),
    (page.residual_block, block(add, relu=None), "no relu"),
    (page.residual_block, block(lambda x, f: layers.ReLU()(layers.Add()([x, f]))), "after the sum"),
    (page.residual_block, lambda x: layers.Add()([x, layers.Dense(x.shape[-1])(x)]), "Two Dense"),
    (page.residual_block, block(lambda x, f: layers.LayerNormalization()(add(x, f))), "nothing else"),
    (page.residual_block, block(add, relu="relu6"), "no relu"),
    (page.residual_block, block(lambda x, f: x - f), "taken away"),
    (page.residual_block, block(add, first=16), "32 and 12 units"),
    (page.residual_block, lambda x: block(lambda _, f: add(x, f))(layers.ReLU()(x)), "done to x before"),
    (page.residual_block, lambda x: keras.Input((x.shape[-1],)), "No way leads"),
    (page.residual_block, layers.Dense(32), "without calling it"),
    (page.compile_two, compiling(loss=INDICES), "1 losses and 2 weights"),
    (page.compile_two, compiling(loss=[INDICES, INDICES]), "does not fit its labels"),
    (page.compile_two, compiling(loss=[BINARY, INDICES]), "does not fit its labels"),
    (page.compile_two, compiling(loss={"digit": INDICES, "is_even": "mse"}), "is_even is one number"),
    (page.compile_two, compiling(loss={"digits": INDICES, "is_even": BINARY}), "digits"),
    (page.compile_two, compiling(loss_weights=0.5), "each output"),
    (page.compile_two, compiling(loss_weights={"is_even": 0.5}), "each output"),
    (page.compile_two, compiling(loss_weights=None), "count alike"),
    (page.compile_two, compiling(loss_weights=[0.5, 1.0]), "wrong way round"),
    (page.compile_two, compiling(loss_weights=[-1.0, -0.5]), "no positive weight"),
    (page.compile_two, compiling(loss_weights=[0.7, 0.3]), "0.7 and 0.3"),
    (page.compile_two, compiling(metrics=["accuracy"]), "name them"),
    (page.compile_two, compiling(metrics={"digit": ["accuracy"]}), "reported for is_even"),
    (page.compile_two, compiling(metrics={"digit": ["accuracy"], "is_even": ["mse"]}), "reported for is_even"),
    (page.compile_two, compiling(metrics=None), "reported for digit and is_even"),
    (page.compile_two, compiling(loss=[INDICES, None], loss_weights=None), "Both outputs need a loss"),
    (page.compile_two, compiling(loss=None), "Both outputs need a loss"),
    (page.compile_two, lambda model: model.compile(loss=LOSSES), "return it"),
    (page.without_head, lambda model: None, "return"),
    (page.without_head, lambda model: model, "as it was"),
    (page.without_head, lambda model: model.outputs[0], "must return a model. It returns a KerasTensor"),
    (page.without_head, lambda model: keras.Model(model.inputs[0], model.outputs[0]), "by its name"),
    (page.without_head, lambda model: keras.Model(model.inputs[0], model.outputs), "a list of length"),
    (page.without_head, lambda model: keras.Model(model.inputs, model.get_layer("main_output").output), "model.inputs is a list"),
    (page.without_head, copied, "weights of their own"),
    (page.without_head, lambda model: keras.Model(model.inputs[0], model.get_layer("late").output), "does not end"),
    (page.same_class, comparing(distance, encoders=2), "share nothing"),
    (page.same_class, comparing(lambda a, b: layers.Concatenate()([a, b])), "another answer"),
    (page.same_class, comparing(lambda a, b: a - b), "another answer"),
    (page.same_class, comparing(lambda a, b: a + b), "differ by zero"),
    (page.same_class, comparing(distance, activation=None), "outside 0 to 1"),
    (page.same_class, comparing(distance, flat=False), "is a Flatten missing?"),
    (page.same_class, comparing(distance, names=("a", "b")), "left and right"),
    (page.same_class, comparing(lambda a, b: (a - b) ** 2), "absolute differences themselves"),
    (page.same_class, comparing(distance, activation="hard_sigmoid"), "needs a sigmoid"),
    (page.same_class, comparing(distance, activation="softmax"), "needs a sigmoid"),
    (page.same_class, comparing(distance, units=2), "(6, 2), not (6, 1)"),
    (page.same_class, lambda: None, "keras.Model"),
    (page.wrong_skip, training(around(skip=False), rate=0.01), "The fault is still there. Validation accuracy: 0."),
    (page.wrong_skip, training(around("relu")), "became Dense(units=32, activation=relu"),
    (page.wrong_skip, training(around(), blocks=2), "layers: "),
    (page.wrong_skip, training(around(last="glorot_uniform")), "kernel_initializer=Zeros"),
    (page.wrong_skip, training(around(), epochs=4), "epochs: 3 became 4"),
    (page.twenty_layers, stacked(plain, 20), "should reach 0.85"),
    (page.twenty_layers, stacked(dead, 20), "Validation accuracy: 0."),
    (page.twenty_layers, stacked(plain, 3), "4 Dense layers of 32 units, and 20"),
    (page.twenty_layers, stacked(plain, 20, forgets=True), "each round has to take"),
]  # fmt: skip
