"""A network joined to its data, its loss and its weights."""

from text_recognizer.models.character_model import CharacterModel
from text_recognizer.models.image_model import ImageModel
from text_recognizer.models.line_model import LineModel
from text_recognizer.models.recognizer import Recognizer

__all__ = ["CharacterModel", "ImageModel", "LineModel", "Recognizer"]
