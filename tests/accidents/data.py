"""Page 02, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = [
    Accident("smaller batches", "root, batch_size=64", "root, batch_size=32", ("in dataset:",)),
    Accident("another size of the images", "image_size=(200, 200), seed=0", "image_size=(180, 180), seed=0", ("plot_images(images",)),
    Accident("pixels scaled twice", "plot_images(images.numpy() / 255,", "plot_images(images.numpy() / 255**2,", ("plot_images(images",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("another seed of the split", 'subset="both", seed=1', 'subset="both", seed=2', ("val.file_paths",)),
    Accident("a round too many of the table", "num_epochs=1, **options", "num_epochs=2, **options", ('features["bmi"]',)),
    Accident("pixels left raw", "layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(**relu)", "layers.Flatten(), layers.Dense(**relu)", ("losses_of(stream)",)),
    Accident("another seed of the order", "numbers.batch(2).shuffle(8, seed=0)", "numbers.batch(2).shuffle(8, seed=1)", ("show(late)",), ("orders = {",)),
    Accident("a smaller buffer", "(10, 100, 1000)):\n    panel", "(10, 50, 1000)):\n    panel", ("panel.plot",), ("orders = {",)),
    Accident("a longer training", "epochs=8, shuffle=False", "epochs=30, shuffle=False", ("with_weights[0]",)),
]  # fmt: skip
