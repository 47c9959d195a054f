"""Page 01, changed as people change it by accident."""

from tests.accidents.accident import Accident

FIT, CURVES, TESTED = "x_train, y_train, epochs=EPOCHS", "plot_history(history)", "result = model.evaluate("
COMPILE = 'model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])'

ACCIDENTS = [
    Accident(
        "a learning rate twice as high",
        COMPILE,
        COMPILE.replace("=optimizer", "=keras.optimizers.SGD(0.02)"),
        (FIT, CURVES, TESTED),
    ),
    Accident("another activation", 'Dense(50, activation="relu")', 'Dense(50, activation="tanh")', (FIT, CURVES)),
    Accident(
        "another loss: the sum over the batch, not the mean",
        COMPILE,
        COMPILE.replace('"sparse_categorical_crossentropy"', 'keras.losses.SparseCategoricalCrossentropy(reduction="sum")'),
        (FIT, CURVES),
    ),
    Accident("an epoch less", "EPOCHS, BATCH_SIZE = 10, 16", "EPOCHS, BATCH_SIZE = 9, 16", (FIT, CURVES)),
    Accident("no scaling", '(x.astype("float32") / 255 for', '(x.astype("float32") for', (FIT, CURVES)),
    Accident(
        "shuffled labels",
        "x_train, x_val, x_test = (",
        "np.random.default_rng(0).shuffle(y_train)\nx_train, x_val, x_test = (",
        (FIT, CURVES),
    ),
    Accident("other images", "plot_images(data.x_train[:16], data.y_train[:16]", "plot_images(data.x_train[1:17], data.y_train[1:17]", ("plot_images(data.x_train",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident(
        "a learning rate higher by one percent",
        COMPILE,
        COMPILE.replace("=optimizer", "=keras.optimizers.SGD(0.0101)"),
        (FIT,),
    ),
    Accident("larger batches", "EPOCHS, BATCH_SIZE = 10, 16", "EPOCHS, BATCH_SIZE = 10, 32", (FIT, CURVES)),
    Accident("another seed", "def build_mlp(seed=0)", "def build_mlp(seed=1)", (FIT,)),
    Accident("a graph without shapes", "plot_model(model, show_shapes=True)", "plot_model(model)", ("plot_model(model",)),
    Accident("a figure with half of it", CURVES, 'plot_history(history, metrics=["loss"])', ("plot_history(history",)),
]  # fmt: skip
