"""Page 08, changed as people change it by accident."""

from tests.accidents.accident import Accident

SUMMARY = "model.summary(expand_nested=True)"
PAIRS = "better = sum(a < b for a, b in zip(of_random, of_trained))"

ACCIDENTS = [
    Accident("the digits stay in the middle", "integers(-4, 5,", "integers(0, 1,", ("plot_images(x_new",)),
    Accident(
        "another pooling", "layers.GlobalAveragePooling2D(),\n    ]", "layers.GlobalMaxPooling2D(),\n    ]", (SUMMARY,)
    ),
    Accident("half as many labels", "x, y = few(10, seed)", "x, y = few(5, seed)", (PAIRS,)),
]

# under `make sensitivity` alone
THOROUGH = [
    Accident("the base keeps its random weights", "    base.set_weights(learned)\n", "", (PAIRS,)),
]
