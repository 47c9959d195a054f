"""Training without `fit`: the two loops, the tape and the metrics, on one device or on many."""

import keras
import tensorflow as tf

from text_recognizer.metrics import top_metrics


def fit(network, training, *, validation_data=None, steps_per_epoch, epochs, initial_epoch=0, callbacks=()):
    """Do what `network.fit` does with these arguments, and end at the same weights, up to rounding.

    It is for classifiers that give logits: the loss is the cross-entropy, plus the penalties of the
    network's regularizers, and the metrics are those of `metrics.top_metrics()`.

    A network made in the scope of a `tf.distribute` strategy is trained on all the strategy's
    devices and machines. Each replica takes a part of every batch, and the gradients of all are
    summed. `network.fit` cannot follow everywhere: in Keras 3.15 it fails under
    `MultiWorkerMirroredStrategy` (https://github.com/keras-team/keras/issues/20585).

    Args:
        network: a `keras.Model`, compiled: its optimizer and its `jit_compile` are used. Its loss is
            `SparseCategoricalCrossentropy(from_logits=True)`.
        training: a `tf.data.Dataset` of (images, labels) or (images, labels, weights), one epoch after
            the other, at least `(epochs - initial_epoch) * steps_per_epoch` batches. Labels are
            integers (n,). Weights are floats (n,), and multiply the losses of their images.
        validation_data: None, or a `tf.data.Dataset` of the same, read to its end after each epoch.
        steps_per_epoch: batches in an epoch.
        epochs: the epoch to stop before, counted from 0.
        initial_epoch: the epoch to begin with.
        callbacks: Keras callbacks. They are called when `network.fit` would call them, and may set
            `network.stop_training`, at a batch or an epoch. For a batch, they get no logs.

    Returns:
        A `keras.callbacks.History`.

    Raises:
        ValueError: the network is not compiled, or for another loss; the data are of another form, or
            end too early.

    Example:
        >>> network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> batches = tf.data.Dataset.from_tensors((tf.eye(4), [0, 1, 2, 0])).repeat()
        >>> history = fit(network, batches, steps_per_epoch=5, epochs=2)
        >>> list(history.history), history.epoch
        (['loss', 'top1', 'top5'], [0, 1])
    """
    steps = _Steps(network)
    if not network.optimizer.built:  # a graph for several replicas cannot make its variables
        with network.distribute_strategy.scope():
            network.optimizer.build(network.trainable_variables)
    training = steps.distribute(training, "training")
    train_step = steps.compiled(steps.train, training.element_spec)
    if validation_data is not None:
        validation_data = steps.distribute(validation_data, "validation_data")
        test_step = steps.compiled(steps.test, validation_data.element_spec)
    batches = iter(training)

    callbacks = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=network, verbose=0, epochs=epochs, steps=steps_per_epoch
    )
    network.stop_training, logs = False, None
    callbacks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        callbacks.on_epoch_begin(epoch)
        for step in range(steps_per_epoch):
            callbacks.on_train_batch_begin(step)
            batch = next(batches, None)
            if batch is None:
                done = f"{step} of the {steps_per_epoch} batches of epoch {epoch + 1}"
                raise ValueError(f"training ends after {done}: give it repeated, dataset.repeat()")
            train_step(*batch)
            callbacks.on_train_batch_end(step)
            if network.stop_training:
                break
        logs = steps.results()
        if validation_data is not None:
            tested = _test(steps, test_step, validation_data, callbacks)
            logs |= {f"val_{name}": value for name, value in tested.items()}
        callbacks.on_epoch_end(epoch, logs)
        if network.stop_training:
            break
    network.optimizer.finalize_variable_values(network.trainable_weights)  # where it keeps moving averages of them
    callbacks.on_train_end(logs)
    return network.history


def evaluate(network, dataset):
    """Return the loss and the metrics of `metrics.top_metrics()` on a data set, a dict as of `network.evaluate`.

    Args:
        network: as for `fit`.
        dataset: a `tf.data.Dataset`, as `validation_data` of `fit`.

    Returns:
        {"loss", "top1", "top5"}: floats.

    Raises:
        ValueError: as for `fit`.

    Example:
        >>> network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, kernel_initializer="zeros")])
        >>> network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> reached = evaluate(network, tf.data.Dataset.from_tensors((tf.eye(4), [0, 1, 2, 0])))
        >>> round(reached["loss"], 3)  # all three are equally likely: log 3
        1.099
    """
    steps = _Steps(network)
    dataset = steps.distribute(dataset, "dataset")
    return _test(steps, steps.compiled(steps.test, dataset.element_spec), dataset, keras.callbacks.CallbackList())


def _test(steps, test_step, dataset, callbacks):
    """Return the results on a data set, which is read to its end."""
    callbacks.on_test_begin()
    step = -1
    for step, batch in enumerate(dataset):
        callbacks.on_test_batch_begin(step)
        test_step(*batch)
        callbacks.on_test_batch_end(step)
    if step < 0:
        raise ValueError("there is no batch to test on: the data set is empty")
    logs = steps.results()
    callbacks.on_test_end(logs)
    return logs


class _Steps:
    """What happens to one batch on one replica, and the metrics that add it up over batches and replicas."""

    def __init__(self, network):
        loss = network.loss if network.compiled else None
        if not isinstance(loss, keras.losses.SparseCategoricalCrossentropy) or not loss.get_config()["from_logits"]:
            raise ValueError(
                f"{network.name} is compiled for the loss {loss}, and this loop computes another one: compile it with "
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
            )
        self.network, self.strategy = network, network.distribute_strategy
        with self.strategy.scope():
            self.loss, self.accuracies = keras.metrics.Mean(name="loss"), top_metrics()

    def train(self, *batch):
        optimizer, variables = self.network.optimizer, self.network.trainable_variables
        with tf.GradientTape() as tape:
            losses, penalty = self._run(*batch, training=True)
            # The mean over the whole batch: in the last one, the replicas' parts may differ in size.
            replicas = tf.distribute.get_replica_context()
            loss = tf.reduce_sum(losses) / tf.cast(replicas.all_reduce("SUM", tf.size(losses)), losses.dtype)
            loss = optimizer.scale_loss(loss + penalty / replicas.num_replicas_in_sync)  # scaled for float16 alone
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def test(self, *batch):
        self._run(*batch, training=False)

    def _run(self, images, labels, weights=1, *, training):
        """Return the losses of the images, and the penalty of the network's regularizers; add both to the metrics."""
        logits = self.network(images, training=training)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        losses, penalty = losses * tf.cast(weights, losses.dtype), sum(self.network.losses)
        self.loss.update_state(losses + penalty)
        for accuracy in self.accuracies:
            accuracy.update_state(labels, logits)
        return losses, penalty

    def distribute(self, dataset, name):
        """Return the data set with each batch dealt out to the replicas."""
        spec = dataset.element_spec
        _, *vectors = spec if isinstance(spec, tuple) else [spec]  # labels, and weights if there are any
        ranks = [vector.shape.rank for vector in vectors]
        if ranks not in ([1], [1, 1]) or not vectors[0].dtype.is_integer:
            what = "(images, labels) or (images, labels, weights), with integer labels (n,) and weights (n,)"
            raise ValueError(f"{name} has batches of {spec}; give {what}")
        options = tf.data.Options()
        # All machines read all files. If the files were dealt out instead, a batch would have other images.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return self.strategy.experimental_distribute_dataset(dataset.with_options(options))

    def compiled(self, step, batch_spec):
        """Return a graph that runs `step` on every replica, one for all batches: the last one may be smaller."""

        @tf.function(input_signature=batch_spec, jit_compile=self.network.jit_compile)
        def on_all_replicas(*batch):
            self.strategy.run(step, args=batch)

        return on_all_replicas

    def results(self):
        """Return the metrics since the last call, over all replicas."""
        tracked = [self.loss, *self.accuracies]
        results = {metric.name: float(metric.result()) for metric in tracked}
        for metric in tracked:
            metric.reset_state()
        return results
