"""Page 08, changed as people change it by accident."""

from tests.accidents.accident import Accident

LOW, RESULTS, PAIRS = "test_accuracy = model.evaluate", "for name, value in results.items():", "of_random, of_trained"

ACCIDENTS = [
    Accident("the digits stay in the middle", "integers(-4, 5,", "integers(0, 1,", ("plot_images(x_new",)),
    Accident("a pooling of another kind", "layers.GlobalAveragePooling2D(),", "layers.GlobalMaxPooling2D(),", (LOW,)),
    Accident("the base is not frozen", "base.trainable = False\ntransfer =", "transfer =", (RESULTS,)),
]

# under `make sensitivity` alone
THOROUGH = [
    Accident("the base keeps its random weights", "    base.set_weights(learned)\n", "", (RESULTS, PAIRS)),
    Accident("a tenth of the learning rate", "learn(transfer, 0.03)", "learn(transfer, 0.003)", (RESULTS,)),
    Accident("the same images are labelled in each pair", "few(10, seed)\n", "few(10, 0)\n", (PAIRS,)),
]
