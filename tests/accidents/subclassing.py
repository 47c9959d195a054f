"""Page 09, changed as people change it by accident."""

from tests.accidents.accident import Accident

UNSEEN, SEEN = "unseen.weights, ", "history = train(seen)"

ACCIDENTS = [
    Accident("a learning rate twice as high", 'optimizer="sgd"', "optimizer=keras.optimizers.SGD(0.02)", (SEEN,)),
    Accident(
        "another loss: the sum over the batch, not the mean",
        "from_logits=from_logits)",
        'from_logits=from_logits, reduction="sum")',
        (SEEN,),
    ),
    Accident("no scaling", '.astype("float32") / 255', '.astype("float32")', (UNSEEN, SEEN)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("shuffled labels", "y_all[:1540]\n", "y_all[:1540]\nnp.random.default_rng(0).shuffle(y_train)\n", (UNSEEN,)),
    Accident("another initializer", 'initializer="random_normal"', 'initializer="glorot_uniform"', (SEEN,)),
    Accident("an epoch less", "epochs=3, from_logits", "epochs=2, from_logits", (SEEN,)),
    Accident("an epoch less for the logits", "train(SkipNet(), epochs=12)", "train(SkipNet(), epochs=11)", ("class SkipNet(",)),
    Accident("smaller batches", "batch_size=32, verbose", "batch_size=16, verbose", (SEEN,)),
    Accident("a figure with the same curve twice", 'ax.plot(range(1, 13), logits["loss"]', 'ax.plot(range(1, 13), squashed["loss"]', ("ax.plot",)),
]  # fmt: skip
