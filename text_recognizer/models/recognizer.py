"""A network joined to its data, its loss and its weights: what all recognizers share."""

import functools
import math
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
from sklearn.model_selection import train_test_split

from text_recognizer.arguments import real_number, whole_number
from text_recognizer.files import atomic_write
from text_recognizer.models.keras_alone import keras_alone
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
from text_recognizer.training import weights
from text_recognizer.training.checkpoints import Checkpoints, checksum

STEPS_PER_EXECUTION = 32  # a Python loop between single steps costs more than a small network computes


class Recognizer:
    """A network, the data that it learns from, and how it learns: the base class of all models here.

    As it stands, it classifies: the labels are integers, the network gives a logit for each class.
    A subclass sets `format_fn`, and overrides `loss`, `optimizer`, `metrics`, `strata`, `make_batches`,
    `check_labels` or `evaluate` where its data need something else.

    Args:
        data: a data set (see `text_recognizer.datasets.Dataset`), or any object with `x_train`, `y_train`,
            `input_shape`, `class_names` and `source`.
        network: a built `keras.Model`. It takes what `format_fn` gives, and gives logits.
        weights_dir: the folder of the weights. Default: `weights/sample` or `weights/full` in the
            working directory, after the source of the data, so that a try on the sample does not
            overwrite what was learned from the real data.

    Attributes:
        name: of the model, the data set and the network, e.g. "CharacterModel_Emnist_mlp".
        data, network: as given. `fit` compiles the network unless it is compiled already.
        augmentation: None, or a Keras layer that changes the images of a training batch at random,
            such as `text_recognizer.augmentation.RandomAffine`; see also `LineModel`.
        format_fn: None, or a function from a batch (x, y) to what the network takes. `fit`,
            `predict`, `evaluate` and `export` all apply it, after any augmentation. It is written
            with `keras.ops`, or with Keras layers.
        epochs: how many epochs `fit` has trained: each has an order and an augmentation of its own.

    Example:
        >>> import keras
        >>> from text_recognizer.datasets import Digits
        >>> from text_recognizer.models import Recognizer
        >>> network = keras.Sequential(
        ...     [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Rescaling(1 / 255),
        ...      keras.layers.Dense(10)],
        ...     name="linear",
        ... )
        >>> model = Recognizer(Digits(), network)
        >>> history = model.fit(epochs=3, verbose=0)
        >>> model.name, model.evaluate(model.data.x_test, model.data.y_test) > 0.7
        ('Recognizer_Digits_linear', True)
    """

    augmentation = None
    format_fn = None

    def __init__(self, data, network, weights_dir=None):
        self.name = f"{type(self).__name__}_{type(data).__name__}_{network.name}"
        self.data = data
        self.network = network
        self.weights_dir = Path(weights_dir or Path("weights", data.source))
        self.epochs = 0

    @property
    def image_shape(self):
        """The shape of an image, without the batch."""
        return self.data.input_shape

    @property
    def weights_filename(self):
        """The path of the weights. Keras insists on the ending ".weights.h5"."""
        return self.weights_dir / f"{self.name}.weights.h5"

    def compile(self, **changes):
        """Compile the network with the loss, the optimizer and the metrics of this model.

        Args:
            **changes: other arguments of `keras.Model.compile`, as `optimizer` or `jit_compile`.
        """
        arguments = {"loss": self.loss, "optimizer": self.optimizer, "metrics": self.metrics}
        arguments = {name: make() for name, make in arguments.items() if name not in changes}
        self.network.compile(**{"steps_per_execution": STEPS_PER_EXECUTION, **arguments, **changes})

    def fit(
        self,
        training=None,
        validation=None,
        *,
        validation_fraction=0.1,
        batch_size=32,
        epochs=10,
        steps_per_epoch=None,
        augment=True,
        augment_val=False,
        callbacks=(),
        checkpoints=None,
        verbose="auto",
        seed=0,
    ):
        """Train the network, and watch it on data that it does not learn from.

        The test set stays out of it: what early stopping or a choice of epochs looks at is no test.
        A second call goes on where the first stopped, the optimizer's state included, and `seed`
        holds out the same images again.

        Args:
            training: arrays as the data set has them, `(x, y)`, or `(x, y, sample_weight)` with how much
                each image counts, float (n,); or batches for the network, a `tf.data.Dataset` or a
                `keras.utils.PyDataset`, which are neither augmented nor formatted; or a function from
                the number of epochs done to the batches of those that are left. Default: the training
                set of `data`.
            validation: the same, to validate with. Default: a part of the training arrays.
            validation_fraction: the share of the training arrays to hold out, at least 0 (none) and
                below 1, stratified by `strata`.
            batch_size: examples a step. Only for arrays.
            epochs: passes over the training part; with `checkpoints`, those before count too.
            steps_per_epoch: batches in an epoch, for batches that have no end.
            augment: apply `augmentation`, if there is one, to the training arrays.
            augment_val: apply it to the validation arrays too.
            callbacks: Keras callbacks. Those that act on batches are called once in
                `STEPS_PER_EXECUTION` steps.
            checkpoints: a folder, or a `text_recognizer.training.checkpoints.Checkpoints`: the state
                is written after each epoch, and the same call goes on from there if it was stopped,
                even by `kill -9`. Of arrays, a checksum is kept too. Where epochs differ, give batches by a
                function then.
            verbose: as in `keras.Model.fit`.
            seed: of the part that is held out, and of the order of the examples; an integer from 0 to
                2 ** 32 - 1, as scikit-learn takes it.

        Returns:
            A `keras.callbacks.History`, with `checkpoints` of all epochs, those before included.

        Raises:
            TypeError: the training data are an array without labels, or `seed` is no integer.
            ValueError: `seed` is out of its range; the arrays differ in length; the training set is too
                small to hold that fraction out; `check_labels` refuses a label; the weights could not be
                saved afterwards; or the folder holds the checkpoints of another run, or of other data.
        """
        weights.check_saveable(self.network)
        training, validation = self._parts(training, validation, validation_fraction, seed)
        self._compile_once(steps_per_epoch)
        if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
            settings = {"model": self.name, "batch_size": batch_size, "seed": seed}
            if isinstance(training, dict):
                settings |= {"images": len(training["rows"]), "validation_fraction": validation_fraction}
                settings["data"] = checksum(training, validation if isinstance(validation, dict) else {})
            names = {"name": self.name, "class_names": self.data.class_names}
            checkpoints = Checkpoints(checkpoints, settings=settings, layers=self.random_layers, **names)

        with checkpoints.locked() if checkpoints else nullcontext():
            done = checkpoints.restore(self.network) if checkpoints else 0
            first = done or self.epochs
            history = self._train(
                self._batches(training, batch_size, augment, first, shuffle=True, seed=seed),
                validation_data=self._batches(validation, batch_size, augment_val, first),
                steps_per_epoch=steps_per_epoch,
                epochs=epochs,
                initial_epoch=done,
                callbacks=[*callbacks, checkpoints] if checkpoints else [*callbacks],
                verbose=verbose,
            )
        self.epochs = first + len(history.epoch)
        if checkpoints:
            history.epoch, history.history = checkpoints.columns()
        return history

    def predict(self, x, batch_size=256):
        """Return the network's outputs for raw images; `format_fn` is applied.

        Args:
            x: as `data.x_test`.
            batch_size: images at a time.

        Returns:
            Logits, float32 (n, *the network's output without the batch).
        """
        # TensorFlow: called, since a network costs more to trace than to run over some thousand images. JAX would
        # compile each operation alone, which takes longer than all of them together.
        on_tensorflow = keras.backend.backend() == "tensorflow"
        run = functools.partial(self.network, training=False) if on_tensorflow else self.network.predict_on_batch
        nothing = np.zeros(len(x), "uint8")  # the place of the labels
        batches = DatasetSequence(x, nothing, batch_size, format_fn=self.format_fn)
        outputs = [run(batch) for batch, _ in batches]
        return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])

    def evaluate(self, x, y, batch_size=256):
        """Return the accuracy on images as they are in the data set, one number, as scikit-learn's `score`.

        Args:
            x: as `data.x_test`.
            y: their labels, integers (n,).
            batch_size: images at a time.

        Returns:
            The share of images recognized, a float from 0 to 1.

        Raises:
            ValueError: the labels are no integers of the classes, or not as many as the images.
        """
        y = self.check_labels(y)
        if len(y) != len(x):
            raise ValueError(f"{len(x)} images and {len(y)} labels: give a label for each image")
        return float(np.mean(self.predict(x, batch_size).argmax(-1) == y))

    def loss(self):
        """Return the loss, as `keras.Model.compile` takes it."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def optimizer(self):
        """Return the optimizer, as `keras.Model.compile` takes it."""
        return keras.optimizers.Adam()

    def metrics(self):
        """Return the metrics, as `keras.Model.compile` takes them."""
        return ["accuracy"]

    def strata(self, y):
        """Return what the validation part is stratified by, an integer a row; None for a random part."""
        return y

    def check_labels(self, y, x=None):
        """Refuse, before the training, labels that the network cannot learn.

        Args:
            y: as `data.y_train`.
            x: None, or the images that they are of.

        Returns:
            The labels, an array.

        Raises:
            ValueError: they are no integers (n,) from 0 to the number of classes - 1.
        """
        y, classes = np.asarray(y), len(self.data.class_names)
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            advice = "; for one-hot labels pass y.argmax(axis=-1)" if y.ndim == 2 and y.shape[1] > 1 else ""
            raise ValueError(f"labels are {y.dtype} {y.shape}; give integers of shape (n,){advice}")
        if len(y) and not 0 <= y.min() <= y.max() < classes:
            raise ValueError(f"labels run from {y.min()} to {y.max()}, and the data set has {classes} classes")
        return y

    def make_batches(self, x, y, batch_size, augment, **order):
        """Return batches for the network of arrays as the data set has them.

        Args:
            x, y: as `data.x_train`, `data.y_train`.
            batch_size: examples in a batch.
            augment: whether to apply `augmentation`, if there is one.
            **order: `rows`, `sample_weight`, `shuffle`, `seed` and `first_epoch` of `DatasetSequence`.

        Returns:
            A `tf.data.Dataset` on TensorFlow, which prepares batches in other threads; a `DatasetSequence` elsewhere.
        """

        def augment_fn(x, y):
            return self.augmentation(x, training=True), y

        make = batched_dataset if keras.backend.backend() == "tensorflow" else DatasetSequence
        augment_fn = augment_fn if augment and self.augmentation else None
        return make(x, y, batch_size, augment_fn=augment_fn, format_fn=self.format_fn, **order)

    @property
    def random_layers(self):
        """The layers outside of the network whose random numbers the training draws from, for `Checkpoints`."""
        return [self.augmentation] if isinstance(self.augmentation, keras.layers.Layer) else []

    def save_weights(self):
        """Write the weights to `weights_filename`, whole or not at all, and return the path."""
        weights.save(self.weights_filename, self.network, name=self.name, class_names=self.data.class_names)
        return self.weights_filename

    def load_weights(self):
        """Load the weights from `weights_filename`.

        Raises:
            FileNotFoundError: there are none.
            WeightsError: they are another network's, or of other classes, or damaged. The network
                is as it was.
        """
        weights.load(self.weights_filename, self.network, name=self.name, class_names=self.data.class_names)

    def export(self, path):
        """Write a `.keras` file that takes raw images, and gives probabilities.

        It holds `format_fn`, the network and a softmax in one model, for those who have Keras alone:
        `keras.saving.load_model(path)`. The network in it is a copy, not compiled, in which Keras' own layers
        stand for those of this library. A network of one's own classes needs these to be imported first.

        Args:
            path: of the file; it ends in ".keras". From uint8 (batch, *image_shape) the model in it
                gives float32 probabilities, in the shape of the logits.

        Raises:
            ValueError: the path ends otherwise, or the network cannot say what it is made of.
        """
        if Path(path).suffix != ".keras":
            raise ValueError(f"{path} is no name for such a file: end it in .keras")
        weights.check_saveable(self.network)
        images = keras.Input(self.image_shape, dtype="uint8", name="images")
        x = images if self.format_fn is None else self.format_fn(images, None)[0]
        network = keras_alone(self.network, x.shape)
        probabilities = keras.layers.Softmax(name="probabilities", dtype="float32")(network(x, training=False))
        network.set_weights(self.network.get_weights())
        with atomic_write(path) as beside:
            keras.Model(images, probabilities, name=self.network.name).save(beside)

    def _train(self, training, **arguments):
        if self.network.optimizer is not None:
            # made within the step, what the optimizer keeps would cost time and memory, and a second tracing
            self.network.optimizer.build(self.network.trainable_variables)
        # a stream cannot be shuffled, and Keras would warn that it is asked to
        return self.network.fit(training, shuffle=False, **arguments)

    def _check_batches(self, batches):
        """Refuse, before the training, batches that the network cannot learn from; to be overridden."""

    def _parts(self, training, validation, fraction, seed):
        """Return what to train and what to validate on: what `make_batches` takes of arrays, batches, or None."""
        seed = whole_number("seed", seed, least=0, most=2**32 - 1)
        if isinstance(training, np.ndarray):
            raise TypeError("training is one array; give (x, y), or batches")
        if isinstance(validation, tuple | list):
            validation = self._checked_arrays(validation)
        if training is not None and not isinstance(training, tuple | list):
            return training, validation
        training = self._checked_arrays((self.data.x_train, self.data.y_train) if training is None else training)
        return self._split(training, fraction, seed) if validation is None else (training, validation)

    def _compile_once(self, steps_per_epoch):
        """Compile the network, if it is not: doing it again would throw the optimizer's state away."""
        at_once = STEPS_PER_EXECUTION if steps_per_epoch is None else math.gcd(steps_per_epoch, STEPS_PER_EXECUTION)
        if not self.network.compiled:
            self.compile(steps_per_execution=at_once)
        elif steps_per_epoch is not None and steps_per_epoch % self.network.steps_per_execution:
            raise ValueError(
                f"the network is compiled to take {self.network.steps_per_execution} steps at once, of which no whole "
                f"number makes {steps_per_epoch}: compile(steps_per_execution={at_once}) first"
            )

    def _batches(self, data, batch_size, augment, first_epoch, **order):
        """Return the batches that `_parts` gave, or those of its arrays, or None."""
        if data is None:
            return None
        if isinstance(data, dict):
            return self.make_batches(**data, batch_size=batch_size, augment=augment, first_epoch=first_epoch, **order)
        batches = data(first_epoch) if callable(data) else data
        self._check_batches(batches)
        return batches

    def _split(self, arrays, fraction, seed):
        """Return the arrays with the rows to train on, and with those to validate on, or None."""
        fraction = real_number("validation_fraction", fraction, least=0, below=1)
        if not fraction:
            return arrays, None
        rows = arrays["rows"]
        try:
            parts = train_test_split(rows, test_size=fraction, random_state=seed, stratify=self.strata(arrays["y"]))
        except ValueError as error:
            raise ValueError(
                f"{len(rows)} training images, {fraction} of them to validate on: {str(error).rstrip('.')}. Give "
                "more images, or another validation_fraction (0 for no validation)."
            ) from error
        return tuple(arrays | {"rows": part} for part in parts)

    def _checked_arrays(self, arrays):
        """Return what `make_batches` takes of (x, y) or (x, y, sample_weight), arrays of one length."""
        if not 2 <= len(arrays) <= 3:
            raise ValueError("give the training arrays as (x, y), or as (x, y, sample_weight)")
        arrays = dict(zip(("x", "y", "sample_weight"), map(np.asarray, arrays)))
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"the training arrays differ in length: {found}. Each example needs one of each")
        self.check_labels(arrays["y"], arrays["x"])
        return arrays | {"rows": np.arange(len(arrays["x"]))}
