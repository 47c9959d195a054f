"""The networks of `text_recognizer.networks` in PyTorch, written from their description, to compare with.

Images come as Keras has them, channels last. Padding "same" is TensorFlow's, which puts the odd
zero behind (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
"""

import torch
from torch import nn

EPSILON = 1e-3  # Keras' default for batch normalization; PyTorch's is 1e-5


def mlp(input_shape, classes, layer_size, num_layers):
    sizes = [torch.Size(input_shape).numel()] + num_layers * [layer_size]
    hidden = [layer for ends in zip(sizes, sizes[1:]) for layer in (nn.Linear(*ends), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(layer_size, classes))


def lenet(input_shape, classes):
    """Without dropout: as the network is in use, not in training."""
    height, width, channels = input_shape
    return nn.Sequential(
        ChannelsFirst(),
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        ChannelsLast(),
        nn.Flatten(),
        nn.Linear((height - 4) // 2 * ((width - 4) // 2) * 64, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def vgg(input_shape, classes, blocks, layer_size):
    height, width, channels = input_shape
    layers = [ChannelsFirst()]
    for block in blocks:
        for filters in block[:-1]:
            layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), norm(filters, 0.95), nn.ReLU()]
            channels = filters
        layers += [nn.Conv2d(channels, block[-1], 3, padding=1, bias=False), nn.MaxPool2d(2)]
        layers += [norm(block[-1], 0.95), nn.ReLU()]
        channels, height, width = block[-1], height // 2, width // 2
    return nn.Sequential(
        *layers,
        ChannelsLast(),
        nn.Flatten(),
        nn.Linear(height * width * channels, layer_size, bias=False),
        norm(layer_size, 0.95, nn.BatchNorm1d),
        nn.ReLU(),
        nn.Linear(layer_size, classes),
    )


def line_cnn(input_shape, classes, filters):
    height, _, channels = input_shape
    for _ in range(3):
        height = (height + 1) // 2
    return nn.Sequential(
        ChannelsFirst(),
        PadSame(5, (2, 2)),
        nn.Conv2d(channels, filters, 5, stride=2, bias=False),
        norm(filters),
        nn.ReLU(),
        nn.Conv2d(filters, 2 * filters, 3, padding=1, bias=False),
        nn.MaxPool2d(2, ceil_mode=True),
        norm(2 * filters),
        nn.ReLU(),
        PadSame(3, (2, 1)),
        nn.Conv2d(2 * filters, 3 * filters, 3, stride=(2, 1), bias=False),
        norm(3 * filters),
        nn.ReLU(),
        nn.Conv2d(3 * filters, 128, (height, 1), bias=False),
        norm(128),
        nn.ReLU(),
        nn.Flatten(start_dim=2),  # (batch, 128, steps)
        nn.Conv1d(128, 128, 5, padding=2, bias=False),
        norm(128, kind=nn.BatchNorm1d),
        nn.ReLU(),
        ChannelsLast(),
        nn.Linear(128, classes),
    )


class Bottleneck(nn.Module):
    """A residual block of channels first."""

    def __init__(self, channels, filters, strides=1, projection=None):
        super().__init__()
        inside = filters // 4
        self.residual = nn.Sequential(
            preact_conv(channels, inside, 1, strides), preact_conv(inside, inside, 3), preact_conv(inside, filters, 1)
        )
        self.shortcut = nn.Identity()
        if projection == "linear":
            self.shortcut = nn.Conv2d(channels, filters, 1, strides, bias=False)
        elif projection == "preactivated":
            self.shortcut = preact_conv(channels, filters, 1, strides)

    def forward(self, x):
        return self.residual(x) + self.shortcut(x)


def resnet(input_shape, classes, filters, levels):
    chain = [nn.Conv2d(input_shape[-1], filters, 3, padding=1, bias=False)]
    chain += [Bottleneck(filters, filters, projection="linear")]
    for repeats in levels:
        chain += [Bottleneck(filters, filters) for _ in range(repeats)]
        chain += [Bottleneck(filters, 2 * filters, strides=2, projection="preactivated")]
        filters *= 2
    head = [norm(filters), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(filters, classes)]
    return nn.Sequential(ChannelsFirst(), *chain, *head)


def block(input_shape, **arguments):
    return nn.Sequential(ChannelsFirst(), Bottleneck(input_shape[-1], **arguments), ChannelsLast())


def preact_conv(channels, filters, kernel, strides=1):
    convolution = nn.Conv2d(channels, filters, kernel, strides, padding=kernel // 2, bias=False)
    return nn.Sequential(norm(channels), nn.ReLU(), convolution)


def norm(channels, remembered=0.9, kind=nn.BatchNorm2d):
    """PyTorch's momentum is the share of the new batch, Keras' that of the old average."""
    return kind(channels, eps=EPSILON, momentum=1 - remembered)


class ChannelsFirst(nn.Module):
    def forward(self, x):
        return x.movedim(-1, 1)


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.movedim(1, -1)


class PadSame(nn.Module):
    """Zeros around an image, as TensorFlow's "same" has them for a square kernel and two strides."""

    def __init__(self, kernel, strides):
        super().__init__()
        self.kernel, self.strides = kernel, strides

    def forward(self, x):
        padding = []
        for size, stride in zip(x.shape[:1:-1], self.strides[::-1]):  # PyTorch pads the last axis first
            total = max((-(-size // stride) - 1) * stride + self.kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return nn.functional.pad(x, padding)


# Weights, in Keras' order, shapes and layout


def shapes(network):
    return [to_keras(values).shape for values in states(network)]


def set_weights(network, weights):
    with torch.no_grad():
        for values, weight in zip(states(network), weights, strict=True):
            to_keras(values).copy_(torch.as_tensor(weight))


def states(network):
    return [values for name, values in network.state_dict().items() if not name.endswith("num_batches_tracked")]


def to_keras(values):
    """A view: kernels (out, in, *sizes) become (*sizes, in, out)."""
    return values.permute(*range(2, values.ndim), 1, 0) if values.ndim > 1 else values
