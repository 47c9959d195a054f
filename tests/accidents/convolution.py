"""Page 05, changed as people change it by accident."""

from tests.accidents.accident import Accident

SIDE_BY_SIDE, SECOND, EXACT = "dense, plain = dense_net(), convnet()", "unpooled = convnet(every_second)", "learned = ["

ACCIDENTS = [
    Accident("no scaling", "images[chosen, :, :, None] / np.float32(255)", "images[chosen, :, :, None] * np.float32(1)", (SIDE_BY_SIDE,)),
    Accident(
        "shuffled labels",
        "batches = tf.data.Dataset.from_tensor_slices((x, y_train))",
        "batches = tf.data.Dataset.from_tensor_slices((x, np.random.default_rng(0).permutation(y_train)))",
        (SIDE_BY_SIDE,),
    ),
]  # fmt: skip

# under `make sensitivity` alone
THOROUGH = [
    Accident("two epochs in place of six", "epochs=6, shuffle", "epochs=2, shuffle", (SIDE_BY_SIDE, SECOND)),
    Accident("a stride forgotten", "layers.MaxPooling2D(1, strides=2)", "layers.MaxPooling2D(2, strides=2)", ("print(every_second()",)),
    Accident("the usual momentum is low already", "def normed(momentum=0.99)", "def normed(momentum=0.5)", ("in_training, afterwards",)),
    Accident("no shifts", "layers.RandomTranslation(0.15, 0.15, fill", "layers.RandomTranslation(0.0, 0.0, fill", ("shifted = keras.Sequential",)),
    Accident("fewer letters", "data.y_train, 1000)", "data.y_train, 300)", (EXACT,)),
]  # fmt: skip
