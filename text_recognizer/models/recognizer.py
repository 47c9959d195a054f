"""A network joined to its data, its loss and its weights: what all models share."""

from pathlib import Path

import keras
import numpy as np
from sklearn.model_selection import train_test_split

from text_recognizer.pipelines.arrays import DatasetSequence, as_tf_data
from text_recognizer.datasets.source import source
from text_recognizer.training import weights

WEIGHTS_DIR = Path(__file__).resolve().parents[2] / "weights"
STEPS_PER_EXECUTION = 32  # a Python loop between single steps costs more than a small network computes


class Model:
    """A network, the data that it learns from, and how it learns: the base class of the recognizers.

    A subclass overrides `loss`, `optimizer`, `metrics`, `strata` or `evaluate` where its data need
    something else, and sets `batch_format_fn` and `batch_augment_fn`.

    Args:
        dataset_cls: the class of the data set. An instance has `x_train`, `y_train`, `x_test`,
            `y_test` (arrays), `input_shape`, `output_shape` (tuples, without the batch) and
            `mapping` (dict, class index to character).
        network_fn: called with `input_shape` and `output_shape`, returns a `keras.Model`.
        dataset_args: arguments of `dataset_cls`.
        network_args: more arguments of `network_fn`.
        weights_dir: the folder of the weights. Default: `weights/sample` or `weights/full` beside
            the package, after the data that `WORKBOOK_DATA` chooses, so that a try on the sample
            does not overwrite what was learned from the real data.

    Attributes:
        name: of the class, the data set and the network, e.g. "CharacterModel_EmnistDataset_mlp".
        data: the data set.
        network: the `keras.Model`. `fit` compiles it unless it is compiled already.
        batch_augment_fn: None, or a function from a batch (x, y) to another, for training.
        batch_format_fn: None, or a function from a batch (x, y) to what the network takes. `fit`,
            `predict` and `evaluate` all apply it, after any augmentation.
    """

    def __init__(self, dataset_cls, network_fn, dataset_args=None, network_args=None, weights_dir=None):
        self.name = f"{type(self).__name__}_{dataset_cls.__name__}_{network_fn.__name__}"
        self.data = dataset_cls(**(dataset_args or {}))
        self.network = network_fn(self.data.input_shape, self.data.output_shape, **(network_args or {}))
        self.weights_dir = Path(weights_dir or WEIGHTS_DIR / source())
        self.batch_augment_fn = None
        self.batch_format_fn = None

    @property
    def image_shape(self):
        """The shape of an image, without the batch."""
        return self.data.input_shape

    @property
    def weights_filename(self):
        """The path of the weights. Keras insists on the ending ".weights.h5"."""
        return self.weights_dir / f"{self.name}.weights.h5"

    def fit(
        self,
        dataset=None,
        batch_size=32,
        epochs=10,
        augment=True,
        augment_val=False,
        validation_fraction=0.1,
        callbacks=None,
        verbose="auto",
        seed=0,
    ):
        """Train the network, and watch it on a part of the training set that it does not learn from.

        The test set stays out of it: what early stopping or a choice of epochs looks at is no test.
        A second call goes on where the first stopped, the optimizer's state included, and `seed`
        holds out the same images again.

        Args:
            dataset: another data set than `data`, with the same shapes.
            batch_size: examples a step.
            epochs: passes over the training part.
            augment: apply `batch_augment_fn`, if there is one, to the training part.
            augment_val: apply it to the validation part too.
            validation_fraction: the share of the training set to hold out, stratified by `strata`;
                0 for none.
            callbacks: Keras callbacks. Those that act on batches are called once in
                `STEPS_PER_EXECUTION` steps.
            verbose: as in `keras.Model.fit`.
            seed: of the part that is held out, and of the order of the examples.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: the training set is too small to hold that fraction out.
        """
        dataset = self.data if dataset is None else dataset
        training, validation = self._split(dataset, validation_fraction, seed)
        if not self.network.compiled:  # compiling again would throw the optimizer's state away
            self.network.compile(
                loss=self.loss(),
                optimizer=self.optimizer(),
                metrics=self.metrics(),
                steps_per_execution=STEPS_PER_EXECUTION,
            )
        augment_fn, format_fn = self.batch_augment_fn, self.batch_format_fn
        return self.network.fit(
            as_tf_data(*training, batch_size, augment_fn if augment else None, format_fn, shuffle=True, seed=seed),
            validation_data=validation
            and as_tf_data(*validation, batch_size, augment_fn if augment_val else None, format_fn),
            epochs=epochs,
            callbacks=callbacks,
            verbose=verbose,
            shuffle=False,  # the pipeline shuffles; Keras would warn that it cannot
        )

    def predict(self, x, batch_size=256):
        """Return what the network says to raw images, after `batch_format_fn`.

        Args:
            x: as `data.x_test`.
            batch_size: images at a time.

        Returns:
            The network's output, float32 (n, *output_shape): for characters, probabilities.
        """
        # called, not `network.predict`: a network costs more to trace than to run over some thousand images
        nothing = np.zeros(len(x), "uint8")  # the place of the labels
        batches = DatasetSequence(x, nothing, batch_size, format_fn=self.batch_format_fn)
        outputs = [self.network(batch, training=False) for batch, _ in batches]
        return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])

    def evaluate(self, x, y, batch_size=256):
        """Return the accuracy on images as they are in the data set.

        Args:
            x: as `data.x_test`.
            y: their labels, one-hot (n, classes) or integers (n,).
            batch_size: images at a time.

        Returns:
            The share of images recognized, a float from 0 to 1.

        Raises:
            ValueError: the labels are neither, or not as many as the images.
        """
        labels = class_indices(y, self.data.output_shape[0])
        if len(labels) != len(x):
            raise ValueError(f"{len(x)} images and {len(labels)} labels: give a label for each image")
        return float(np.mean(self.predict(x, batch_size).argmax(-1) == labels))

    def loss(self):
        """Return the loss, as `keras.Model.compile` takes it."""
        return "categorical_crossentropy"

    def optimizer(self):
        """Return the optimizer, as `keras.Model.compile` takes it."""
        return keras.optimizers.Adam()

    def metrics(self):
        """Return the metrics, as `keras.Model.compile` takes them."""
        return ["accuracy"]

    def strata(self, y):
        """Return what the validation part is stratified by, an integer a row; None for a random part."""
        return class_indices(y, self.data.output_shape[0])

    def save_weights(self):
        """Write the weights to `weights_filename`, whole or not at all, and return the path."""
        weights.save(self.weights_filename, self.network, self.name, self.data.mapping)
        return self.weights_filename

    def load_weights(self):
        """Load the weights from `weights_filename`.

        Raises:
            FileNotFoundError: there are none.
            WeightsError: they are another network's, or of other characters, or damaged. The
                network is as it was.
        """
        weights.load(self.weights_filename, self.network, self.name, self.data.mapping)

    def _split(self, dataset, fraction, seed):
        """Return (x, y) to train on, and (x, y) to validate on, or None."""
        x, y = dataset.x_train, dataset.y_train
        if not fraction:
            return (x, y), None
        try:
            train, val = train_test_split(
                np.arange(len(x)), test_size=fraction, random_state=seed, stratify=self.strata(y)
            )
        except ValueError as error:
            raise ValueError(
                f"{len(x)} training images, {fraction} of them to validate on: {error} Give more images, or another "
                "validation_fraction (0 for no validation)."
            ) from error
        return (x[train], y[train]), (x[val], y[val])


def class_indices(y, classes):
    """Return labels as integers (n,), from integers (n,) or one-hot (n, classes).

    Raises:
        ValueError: they are neither.
    """
    y = np.asarray(y)
    if y.ndim == 1 and np.issubdtype(y.dtype, np.integer):
        return y
    if y.ndim == 2 and y.shape[1] == classes:
        return y.argmax(-1)
    raise ValueError(
        f"labels are {y.dtype} {y.shape}; give integers of shape (n,), or one-hot labels of shape (n, {classes})"
    )
