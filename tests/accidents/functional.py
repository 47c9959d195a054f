"""Page 04, changed as people change it by accident."""

from tests.accidents.accident import Accident

CURVE, NUMBERS, TESTED = "plot_history(history)", "for epoch in (1, 5, 15, 30)", "line, *_ = np.linalg.lstsq("
FOUR = "def three_epochs"
TARGETS = "t_train, t_val, t_test = ("

ACCIDENTS = [
    Accident("another learning rate", "Adam(0.02)", "Adam(0.03)", (CURVE, NUMBERS, TESTED)),
    Accident(
        "another activation in one branch",
        'layers.Dense(10, activation="relu", name="deep_2")',
        'layers.Dense(10, activation="tanh", name="deep_2")',
        (CURVE, NUMBERS),
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
        (FOUR, CURVE),
    ),
    Accident(
        "shuffled targets",
        TARGETS,
        f"np.random.default_rng(0).shuffle(y_train)\n{TARGETS}",
        (CURVE,),
    ),
    Accident(
        "the wrong branch is the wide one",
        '{"deep_in": rows[DEEP].to_numpy(), "wide_in": rows[WIDE].to_numpy()}',
        '{"deep_in": rows[WIDE].to_numpy(), "wide_in": rows[DEEP].to_numpy()}',
        ("def two_inputs",),
    ),
    Accident(
        "another figure: the widths exchanged",
        "wide_and_deep(deep=4, wide=3)\nplot",
        "wide_and_deep(deep=3, wide=4)\nplot",
        ("plot_model(small",),
    ),
]  # fmt: skip
