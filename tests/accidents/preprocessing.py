"""Page 03, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = [
    Accident("columns left raw", "(X - X.mean(axis=0)) / X.std(axis=0)", "X", ("loss_left(X, path[-1])",)),
    Accident("the scaler fitted on each part", '"all rows": (table, table)', '"all rows": (test, test)', ("mean_error(seen, seed)",)),
    Accident("a layer that is never adapted", "vectorizer.adapt(sentences)", 'vectorizer.adapt(["the sample"])', ("print(indices, indices.shape)",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("targets left raw", "y_scaler.transform(y_train)),", "y_train),", ("far worse than guessing",)),
    Accident("the gaps filled with the mean", 'bicycles["km"].median()', 'bicycles["km"].mean()', ("print(fill(bicycles)",)),
    Accident("pixels left raw", "layers.Rescaling(1 / 255),\n    layers.Flatten()", "layers.Flatten()", ("Divided by 255 before",)),
    Accident("a number for each kind", "FeatureSpace.string_categorical()", 'FeatureSpace.string_categorical(output_mode="int")', ("print(encoded",)),
]  # fmt: skip
