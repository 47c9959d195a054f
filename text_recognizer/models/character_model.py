"""A model that reads one character."""

from typing import NamedTuple

import keras

from text_recognizer.images import center, read_ink
from text_recognizer.models.recognizer import Recognizer


class CharacterPrediction(NamedTuple):
    """What was read, and how sure the network is of it: the probability, from 0 to 1."""

    character: str
    confidence: float


def scale(x, y):
    """Return a batch with its images as float32 from 0 to 1 instead of uint8 from 0 to 255."""
    return keras.ops.cast(x, "float32") / 255, y


class CharacterModel(Recognizer):
    """A network that reads one character, and the data set of characters that it learns from.

    The data set's images are uint8, 0 (paper) to 255 (ink); the network gets them as float32 from
    0 to 1. See `Recognizer` for the arguments.

    Example:
        >>> from text_recognizer.datasets import Digits
        >>> from text_recognizer.models import CharacterModel
        >>> from text_recognizer.networks import mlp
        >>> data = Digits()
        >>> model = CharacterModel(data, mlp(data.input_shape, data.output_shape, layer_size=64))
        >>> history = model.fit(epochs=1, verbose=0)
        >>> character, confidence = model.predict_on_image(255 - data.x_test[0])  # black on white
        >>> character in data.class_names and 0 <= confidence <= 1
        True
    """

    format_fn = staticmethod(scale)

    def predict_on_image(self, image):
        """Read the character on an image.

        The character is cut out, centred and resized to fill `image_shape` as EMNIST's do, so it
        may be of any size and anywhere.

        Args:
            image: a path or an array, of whatever colours; see `text_recognizer.images.read_ink`.

        Returns:
            A `CharacterPrediction`: the character, and its probability.

        Raises:
            FileNotFoundError, TypeError, text_recognizer.images.ImageError: as `read_ink` and `center` say.
        """
        ink = center(read_ink(image), self.image_shape[:2])
        logits = self.predict(ink.reshape(1, *self.image_shape))
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0]
        best = int(probabilities.argmax())
        return CharacterPrediction(self.data.class_names[best], float(probabilities[best]))
