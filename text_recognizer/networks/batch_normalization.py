"""Batch normalization, in one operation where TensorFlow has one."""

import keras


@keras.saving.register_keras_serializable("text_recognizer")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which TensorFlow trains faster on images.

    On TensorFlow, Keras computes mean, variance, scale and shift one after the other, and goes through the
    images some six times. TensorFlow's fused operation does it all at once
    (https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/fused_batch_norm). It is taken in training, for
    images (batch, height, width, channels) in float32 or half precision. Everything else, and every other
    backend, is left to Keras. Arguments, weights and results are those of Keras, but for rounding.
    `benchmarks/resnet_step.py` measures one beside the other.

    Example:
        >>> import numpy as np
        >>> layer = BatchNormalization(momentum=0.9)
        >>> y = keras.ops.convert_to_numpy(layer(np.arange(8.0).reshape(2, 2, 2, 1), training=True))
        >>> bool(abs(y.mean()) < 1e-6), round(float(layer.moving_mean[0]), 2)
        (True, 0.35)
    """

    def call(self, inputs, training=None, mask=None):
        if mask is not None or not self.is_fused(inputs, training):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = self.fused(inputs)
        self.follow(mean, variance)
        return outputs

    def is_fused(self, inputs, training):
        """Return whether `call` takes TensorFlow's operation for these inputs."""
        on_tensorflow = keras.backend.backend() == "tensorflow"
        images = len(inputs.shape) == 4 and keras.backend.standardize_dtype(inputs.dtype) != "float64"
        last = self.axis in (-1, 3) and self.variable_dtype == "float32"
        special = self.synchronized or getattr(self, "renorm", False)  # Keras 3.14 has no renorm
        fusible = on_tensorflow and images and last and self.scale and self.center and not special
        return bool(training and self.trainable and fusible)

    def fused(self, inputs):
        """Return the outputs of a training step, and the batch's mean and variance; nothing is changed."""
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        count = tf.cast(tf.size(inputs) / tf.size(mean), "float32")
        return outputs, mean, variance * (count - 1) / count  # the population's, estimated, becomes the batch's

    def follow(self, mean, variance):
        """Let the moving statistics follow those of a batch."""
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))

    def in_keras(self, input_shape=None):
        """Return the layer of Keras that stands for this one in an export, without the weights."""
        return keras.layers.BatchNormalization.from_config(self.get_config())


def normalized_relu(momentum):
    """Return two layers, batch normalization and ReLU.

    Args:
        momentum: the share of their old value that the moving averages keep in each step. Keras'
            own, 0.99, remembers the initial statistics for some 500 steps; in a short training the
            validation would lag epochs behind.

    Example:
        >>> [layer.name.partition("_")[0] for layer in normalized_relu(0.9)]
        ['batch', 're']
    """
    return BatchNormalization(momentum=momentum), keras.layers.ReLU()
