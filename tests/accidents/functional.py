"""Page 07, changed as people change it by accident."""

from tests.accidents.accident import Accident

CURVE, TESTED = "plot_history(history)", "line, *_ = np.linalg.lstsq("
SWAPPED, FED = "equal = wide_and_deep(n, n)", "steps = len(TwoInputs())"
TOTAL, GRADIENTS = "for count in (1024, 1028)", "axes.semilogy("

ACCIDENTS = [
    Accident("another learning rate", "Adam(0.02)", "Adam(0.03)", (CURVE, TESTED)),
    Accident(
        "another activation in one branch",
        'layers.Dense(10, activation="relu", name="deep_2")',
        'layers.Dense(10, activation="tanh", name="deep_2")',
        (CURVE,),
    ),
    Accident(
        "another loss",
        'optimizer=keras.optimizers.Adam(0.02), loss="mse"',
        'optimizer=keras.optimizers.Adam(0.02), loss="mae"',
        (CURVE,),
    ),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("an epoch less", "epochs=30", "epochs=29", (CURVE,)),
    Accident(
        "another column, of the same width",
        '"age", "sex", "bmi", "bp"]',
        '"age", "sex", "bmi", "tc"]',
        (CURVE,),
    ),
    Accident(
        "shuffled targets",
        "scaler = StandardScaler()",
        "np.random.default_rng(0).shuffle(y_train)\nscaler = StandardScaler()",
        (CURVE,),
    ),
    Accident(
        "the generator yields smaller batches",
        "def batches_of(form, size=32)",
        "def batches_of(form, size=16)",
        (FED,),
    ),
    Accident(
        "the head elsewhere",
        'name="aux_output")(hidden[1])',
        'name="aux_output")(hidden[3])',
        (GRADIENTS,),
    ),
    Accident(
        "another figure: the widths exchanged",
        "wide_and_deep(deep=4, wide=3)\nassert",
        "wide_and_deep(deep=3, wide=4)\nassert",
        ("plot_model(small",),
    ),
]  # fmt: skip
