"""A network joined to its data, its loss and its weights."""

from text_recognizer.models.recognizer import Model
from text_recognizer.models.character_model import CharacterModel
from text_recognizer.models.line_model import LineModel

__all__ = ["CharacterModel", "LineModel", "Model"]
