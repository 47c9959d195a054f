"""Page 10, changed as people change it by accident."""

from tests.accidents.accident import Accident

DESCEND, LOOP = "right = descend(", "epoch_losses = []"

ACCIDENTS = [
    Accident("another formula", "return 3 * x + x * y + 1", "return 3 * x + x + y + 1", ("by_moving = (f(",)),
    Accident("a learning rate higher by two percent", "learning_rate=0.05)", "learning_rate=0.051)", (DESCEND,)),
    Accident("less momentum", "SGD(0.05, momentum=0.9), SameLine(), 25", "SGD(0.05, momentum=0.8), SameLine(), 25", ("momentum = descend_by(",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident(
        "a figure without its first step",
        "axes.plot(losses, label=label)",
        "axes.plot(losses[1:], label=label)",
        ("axes.plot(losses",),
    ),
    Accident("no scaling", 'images.astype("float32") / 255 for', 'images.astype("float32") for', ("print(x_train.shape, x_val.shape, extent)",)),
    Accident("from_logits forgotten", "SparseCategoricalCrossentropy(from_logits=True)", "SparseCategoricalCrossentropy()", (LOOP,)),
    Accident("training=True forgotten", "logits = model(images, training=True)", "logits = model(images)", (LOOP,)),
]  # fmt: skip
