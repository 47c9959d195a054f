"""Page 02, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = [
    Accident("smaller batches", "root, batch_size=64", "root, batch_size=32", ("in dataset:",)),
    Accident("another size of the images", "image_size=(200, 200), seed=0", "image_size=(180, 180), seed=0", ("in dataset:",)),
    Accident("pixels scaled twice", "plot_images(images.numpy() / 255,", "plot_images(images.numpy() / 255**2,", ("plot_images(images",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("another seed of the split", 'subset="both", seed=1', 'subset="both", seed=2', ("names.count",)),
    Accident("batched before shuffled", "numbers.shuffle(8, seed=0).batch(2)", "numbers.batch(2).shuffle(8, seed=0)", ("numbers.batch",)),
    Accident("a smaller buffer", "(10, 100, 1000)):\n    panel", "(10, 50, 1000)):\n    panel", ("panel.plot",)),
    Accident("pixels left raw", "x_all / np.float32(255)", "x_all / np.float32(1)", ("classes in the first batch",)),
    Accident("labels shuffled alone", 'kind="stable")\n', 'kind="stable")\nnp.random.default_rng(0).shuffle(y_train)\n', ("classes in the first batch",)),
]  # fmt: skip
