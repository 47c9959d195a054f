"""Page 03, changed as people change it by accident."""

from tests.accidents.accident import Accident

ACCIDENTS = [
    Accident("half of the steps", "descend(X, steps=200)", "descend(X, steps=100)", ("loss_left(X, path[-1])",)),
    Accident("adapted to other words", "vectorizer.adapt(sentences)", 'vectorizer.adapt(["the sample"])', ("print(indices, indices.shape)",)),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("a scaler that saw the typo", '("training part", x_train), ("all rows"', '("training part", x_typo), ("all rows"', ("bmi = MinMaxScaler()",)),
    Accident("another crop", "CenterCrop(height=150, width=150)", "CenterCrop(height=160, width=160)", ('print("shape:"',)),
    Accident("gaps filled with the mean", 'bicycles["km"].median()', 'bicycles["km"].mean()', ("print(fill(bicycles)",)),
    Accident("kilometres left raw", '"km": FeatureSpace.float_normalized()', '"km": FeatureSpace.float()', ("print(encoded",)),
]  # fmt: skip
