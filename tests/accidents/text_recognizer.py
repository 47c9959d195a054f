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
    Accident("images that lie on their side", "upright = recognized_by_means(data.x_test)", "upright = recognized_by_means(data.x_test.transpose(0, 2, 1))", ("upright = ",)),
    Accident("another network", "num_layers=3)", "num_layers=2)", ("network = mlp(",)),
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
