"""Page 07, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = [
    Accident(
        "other images",
        "plot_images(data.x_train[:24], labels_train[:24]",
        "plot_images(data.x_train[1:25], labels_train[1:25]",
        ("plot_images(data.x_train",),
    ),
    Accident("a smaller part of the data", "EmnistDataset(subsample_fraction=0.4)", "EmnistDataset(subsample_fraction=0.3)", ("print(data)",)),
    Accident("fewer drawings to judge by", "draw_characters(40, seed=1)", "draw_characters(4, seed=1)", ("upright = ",)),
    Accident("larger batches", "DatasetSequence(numbers, numbers, batch_size=4)\nprint", "DatasetSequence(numbers, numbers, batch_size=5)\nprint", ("for i in range(len(sequence))",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("fewer epochs", "convolutional.fit(batch_size=64, epochs=4", "convolutional.fit(batch_size=64, epochs=2", ("accuracy = {",)),
    Accident("no augmentation", "convolutional.batch_augment_fn = random_affine(shift=0.15, seed=0)", "pass", ("augmented = [",)),
    Accident(
        "no scaling",
        "convolutional = character_model(lenet)\n",
        "convolutional = character_model(lenet)\nconvolutional.batch_format_fn = lambda x, y: (keras.ops.cast(x, 'float32'), y)\n",
        ("accuracy = {",),
    ),
]  # fmt: skip
