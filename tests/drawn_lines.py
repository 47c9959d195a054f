"""A few lines as somebody keeps them: images of different widths, and beside each its text."""

import numpy as np
from PIL import Image

from text_recognizer.datasets.synthetic.characters import draw_text

TEXTS = ("on the shelf", "tea", "no tea", "the hat", "see the sea", "oath", "he has to", "noon", "so", "the test")


def write_lines(folder, texts=TEXTS, stem="ann-{}", height=56):
    """Write images `ann-0.png`, ... and their texts into a folder, which is made, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(texts):
        ink = Image.fromarray(draw_text(text, "cmr10"))
        image = ink.resize((round(ink.width * height / ink.height), height), Image.Resampling.BICUBIC)
        Image.fromarray(230 - (np.asarray(image) * 0.8).astype("uint8")).save(folder / f"{stem.format(i)}.png")
        (folder / f"{stem.format(i)}.gt.txt").write_text(f"{text}\n", "utf-8")
    return folder


def small_network(input_shape, output_shape):
    """Stand in for `line_convnext`, which takes seconds to trace: a convolution, and what makes a step random."""
    import keras

    layers, (height, width) = keras.layers, input_shape
    image = keras.Input(input_shape)
    x = layers.Reshape((height, width or -1, 1))(image)
    x = layers.Conv2D(4, (height, 4), strides=4, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(0.2)(layers.Reshape((-1, 4 * -(-height // 4)))(x))
    return keras.Model(image, layers.Dense(*output_shape)(x), name="line_convnext")
