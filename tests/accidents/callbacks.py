"""Page 06, changed as people change it by accident."""

from tests.accidents.accident import Accident

STOPPED, TABLE, NOISY, SEARCH = "best, restored =", "rates = toy.fit", "noisy = {", "draw, trials ="

ACCIDENTS = [
    Accident("another learning rate", "build_mlp(Adam(0.005))", "build_mlp(Adam(0.001))", (STOPPED,)),
    Accident("no scaling", "data.x_train / np.float32(255)", "data.x_train / np.float32(1)", (STOPPED,)),
    Accident("larger batches", "batch_size=16, epochs=EPOCHS", "batch_size=64, epochs=EPOCHS", (NOISY,)),
]

# under `make sensitivity` alone
THOROUGH = [
    Accident("another activation", 'activation="relu"', 'activation="sigmoid"', (NOISY,)),
    Accident("rates not on a logarithmic scale", "10 ** draw.uniform(-3, 0), int", "draw.uniform(0.001, 1), int", (SEARCH,)),
    Accident("fewer epochs in the search", "units, epochs=2)\n    trials", "units, epochs=1)\n    trials", (SEARCH,)),
]  # fmt: skip
