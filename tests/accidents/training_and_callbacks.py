"""Page 03, changed as people change it by accident."""

from tests.accidents.accident import Accident

LOSSES, ORDERS, HEADS = "losses = {", "orders = {", "trained = {}"

ACCIDENTS = [
    Accident("no scaling", "        layers.Rescaling(1 / 255),  # 0..255", "        # 0..255", (LOSSES,)),
    Accident(
        "another activation",
        'layers.Dense(128, activation="relu")',
        'layers.Dense(128, activation="tanh")',
        (LOSSES,),
    ),
    Accident(
        "shuffled labels",
        "x_few, y_few = x_train[:few], y_train[:few]",
        "x_few, y_few = x_train[:few], np.random.default_rng(0).permutation(y_train[:few])",
        (LOSSES,),
    ),
    Accident("smaller batches", "shuffle(len(x_train), seed=0).batch(64)", "shuffle(len(x_train), seed=0).batch(32)", ("enumerate((first, second",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("an epoch less", "epochs=2, shuffle=False", "epochs=1, shuffle=False", (LOSSES,)),
    Accident(
        "batched first, then shuffled",
        "pipeline.shuffle(8).batch(4)",
        "pipeline.batch(4).shuffle(8)",
        (ORDERS,),
    ),
    Accident("less dropout", "layers.Dropout(0.5)]", "layers.Dropout(0.3)]", ("dropout = build(",)),
    Accident("a tenth of the learning rate", "Adam(0.01), loss=loss", "Adam(0.001), loss=loss", (HEADS,)),
    Accident(
        "the forgotten from_logits is there",
        '"logits, from_logits=False": head(),',
        '"logits, from_logits=False": head(from_logits=True),',
        (HEADS,),
    ),
]  # fmt: skip
