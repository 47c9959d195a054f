"""Page 04, changed as people change it by accident."""

from tests.accidents.accident import Accident

FIRST, TESTED, CURVES = "pixels from", 'tested["SGD"]', "plot_trainings(histories"
LINES = 'build(metrics=["accuracy"])'

ACCIDENTS = [
    Accident(
        "another activation",
        'hidden = layers.Dense(64, activation="relu")',
        'hidden = layers.Dense(64, activation="tanh")',
        (FIRST,),
    ),
    Accident("less dropout", "large(dropout=0.5)", "large(dropout=0.4)", (CURVES,)),
]

# under `make sensitivity` alone
THOROUGH = [
    Accident("an epoch less", "model.fit(stream, epochs=2", "model.fit(stream, epochs=1", (LINES,)),
    Accident("no momentum", "optimizers.SGD(momentum=0.9)", "optimizers.SGD()", (TESTED,)),
    Accident("no label is wrong", "+ draw.integers(1, 10, size=90)", "+ 0 * draw.integers(1, 10, size=90)", (CURVES,)),
    Accident("smaller batches", "batches(x_train, y_train, batch_size=64)", "batches(x_train, y_train, batch_size=16)", (LINES,)),
]  # fmt: skip
