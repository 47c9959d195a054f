"""Page 12, changed as people change it by accident."""

from tests.accidents.accident import Accident

TRAINED, TESTED = "plot_history(history)", "model.network.name: model.evaluate("
COUNTED = ("companions = {",)  # the layers up to there, after which those of the perceptron are named
CONFUSED, READ = "plot_confusion_matrix(true, taken_for", "greedy = reader.evaluate("

ACCIDENTS = [
    Accident(
        "other images",
        "plot_images(data.x_train[:24], labels_train[:24]",
        "plot_images(data.x_train[1:25], labels_train[1:25]",
        ("plot_images(data.x_train",),
    ),
    Accident("the names in another order", "names = list(data.class_names)", "names = sorted(data.class_names, key=str.lower)", ("plot_images(data.x_train",)),
    Accident("a smaller part of the data", "data = Emnist(subsample_fraction=0.3)", "data = Emnist(subsample_fraction=0.2)", ("print(data.describe())",)),
    Accident("fewer drawings to judge by", "draw_characters(40, seed=1)", "draw_characters(4, seed=1)", ("means = ", "upright = ")),
    Accident("larger batches", "DatasetSequence(numbers, numbers, batch_size=4)\nprint", "DatasetSequence(numbers, numbers, batch_size=5)\nprint", ("for i in range(len(sequence))",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("a network of the default size", "character_model(mlp, layer_size=512)", "character_model(mlp)", ("perceptron = ",), COUNTED),
    Accident("fewer epochs", "convolutional.fit(batch_size=64, epochs=4", "convolutional.fit(batch_size=64, epochs=2", (TRAINED, CONFUSED), COUNTED),
    Accident("fewer epochs of the perceptron", "perceptron.fit(batch_size=64, epochs=6", "perceptron.fit(batch_size=64, epochs=2", (TESTED,), COUNTED),
    Accident("half of the images held out", "convolutional.fit(batch_size=64, epochs=4", "convolutional.fit(batch_size=64, validation_fraction=0.5, epochs=4", (TRAINED,), COUNTED),
    Accident(
        "augmented from the beginning",
        "history = convolutional.fit(",
        "from text_recognizer.augmentation import RandomAffine\nconvolutional.augmentation = RandomAffine(shift=0.15, seed=0)\nhistory = convolutional.fit(",
        (TRAINED,),
        COUNTED,
    ),
    Accident(
        "no scaling",
        "convolutional = character_model(lenet)\n",
        "convolutional = character_model(lenet)\nconvolutional.format_fn = lambda x, y: (keras.ops.cast(x, 'float32'), y)\n",
        (TRAINED,),
        COUNTED,
    ),
    Accident("fewer lines to judge by", "num_train=3600, num_test=300", "num_train=3600, num_test=200", (READ,)),
    Accident("shorter shifts", "RandomAffine(shift=0.15, seed=0)", "RandomAffine(shift=0.1, seed=0)", ("augmented = [",), COUNTED),
    Accident("too high a learning rate for the reader", "(6e-3, 4e-3, 1.5e-3)", "(6e-2, 4e-2, 1.5e-2)", ("reader = LineModel(",)),
]  # fmt: skip
