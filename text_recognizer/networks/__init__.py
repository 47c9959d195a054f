"""Architecture alone: functions and a class that build a network, and know no data and no loss.

All of them take float32 and give logits. None has a softmax: it belongs to the loss, which computes
it together with the logarithm, and more exactly so.
"""

from text_recognizer.networks.lenet import lenet
from text_recognizer.networks.line_cnn import line_cnn
from text_recognizer.networks.line_convnext import line_convnext
from text_recognizer.networks.mlp import mlp
from text_recognizer.networks.resnet import Resnet
from text_recognizer.networks.vgg import vgg

__all__ = ["Resnet", "lenet", "line_cnn", "line_convnext", "mlp", "vgg"]
