"""Page 14, changed as people change it by accident."""

from tests.accidents.accident import Accident

TRAINED, CURVES, TESTED = "run = train_resnet(", "panel.set_ylim(0, top)", "ranked = np.argsort("
DEALT = ("name_of = {}",)  # the folder of twelve images

ACCIDENTS = [
    Accident("another error", "return tf.reduce_sum(y**2) / 2", "return tf.reduce_sum(y**2)", ("ways = {",)),
    Accident("fewer images", "CLASSES, PER_CLASS = 10, 60", "CLASSES, PER_CLASS = 10, 50", ("CLASSES, PER_CLASS",)),
    Accident("other images", "train.files[::PER_CLASS]", "train.files[1::PER_CLASS]", ("def box_of",)),
    Accident("coarser blocks", "reshape(-1, 8, 8, 8, 8, 3)", "reshape(-1, 4, 16, 4, 16, 3)", ("agreement = {",)),
    Accident("other shards", "count=SAMPLE.shards, **how", "count=SAMPLE.shards + 1, **how", ("shards.verify(",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident(
        "a tenth of the learning rate",
        "train_resnet(SAMPLE, folder",
        "train_resnet(dataclasses.replace(SAMPLE, initial_rate=0.003), folder",
        (TRAINED,),
        DEALT,
    ),
    Accident(
        "fewer epochs at the full rate",
        "train_resnet(SAMPLE, folder",
        "train_resnet(dataclasses.replace(SAMPLE, rate_epochs=2), folder",
        (TRAINED,),
        DEALT,
    ),
    Accident("a figure with a part of it", 'metrics=["loss", "top1", "top5"]', 'metrics=["loss", "top1"]', (CURVES,), DEALT),
    Accident("chance of another number", "{5 / CLASSES:.2f}", "{3 / CLASSES:.2f}", (TESTED,)),
    Accident(
        "a forgotten learning rate schedule",
        "0.01, decay_steps=64 * per_epoch, decay_rate=0.1, staircase=True",
        "0.01, decay_steps=64 * per_epoch, decay_rate=0.1",
        ("smooth = ",),
    ),
]  # fmt: skip
