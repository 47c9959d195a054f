"""A model that reads one character."""

from typing import NamedTuple

import keras

from text_recognizer.images import center, read_ink
from text_recognizer.models.recognizer import Model


class Prediction(NamedTuple):
    """What was read, and how sure the network is of it: the probability, from 0 to 1."""

    character: str
    confidence: float


class CharacterModel(Model):
    """A network that reads one character, and the data set of characters that it learns from.

    The data set's images are uint8, 0 (paper) to 255 (ink); the network gets them as float32 from
    0 to 1. See `Model` for the arguments.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.batch_format_fn = scale

    def predict_on_image(self, image):
        """Read the character on an image.

        The character is cut out, centred and resized to fill `image_shape` as EMNIST's do, so it
        may be of any size and anywhere.

        Args:
            image: a path or an array, of whatever colours; see `text_recognizer.images.read_ink`.

        Returns:
            A `Prediction`: the character, and its probability.

        Raises:
            FileNotFoundError, TypeError, text_recognizer.images.ImageError: as `read_ink` says.
        """
        ink = center(read_ink(image), self.image_shape[:2])
        probabilities = self.predict(ink.reshape(1, *self.image_shape))[0]
        best = int(probabilities.argmax())
        return Prediction(self.data.mapping[best], float(probabilities[best]))


def scale(x, y):
    """Return a batch with its images as float32 from 0 to 1 instead of uint8 from 0 to 255."""
    return keras.ops.cast(x, "float32") / 255, y
