"""Training without `fit`: the two loops, the tape and the metrics, on one device or on many."""

import keras
import tensorflow as tf


def metrics():
    """Return what is measured besides the loss: how often the truth comes first, how often among the first five."""
    return [
        keras.metrics.SparseCategoricalAccuracy(name="top1"),
        keras.metrics.SparseTopKCategoricalAccuracy(k=5, name="top5"),
    ]


def fit(network, training, *, validation_data, steps_per_epoch, epochs, initial_epoch=0, callbacks=()):
    """Do what `network.fit` does with these arguments, and end at the same weights.

    It is for classifiers that give logits: the loss is the cross-entropy, plus the penalties of the
    network's regularizers, and the metrics are those of `metrics()`.

    A network made in the scope of a `tf.distribute` strategy is trained on all the strategy's
    devices and machines. Each replica takes a part of every batch, and the gradients of all are
    summed. `network.fit` cannot follow everywhere: in Keras 3.15 it fails under
    `MultiWorkerMirroredStrategy` (https://github.com/keras-team/keras/issues/20585).

    Args:
        network: a `keras.Model`, compiled: its optimizer and its `jit_compile` are used.
        training: a `tf.data.Dataset` of images and integer labels, one epoch after the other, at
            least `(epochs - initial_epoch) * steps_per_epoch` batches.
        validation_data: a `tf.data.Dataset` of the same, read to its end after each epoch.
        steps_per_epoch: batches in an epoch.
        epochs: the epoch to stop before, counted from 0.
        initial_epoch: the epoch to begin with.
        callbacks: Keras callbacks. For a batch, they get no logs.
    """
    steps = _Steps(network)
    training, validation_data = steps.distribute(training), steps.distribute(validation_data)
    train_step = steps.compiled(steps.train, training.element_spec)
    test_step = steps.compiled(steps.test, validation_data.element_spec)
    batches = iter(training)

    callbacks = keras.callbacks.CallbackList(callbacks, model=network, epochs=epochs, steps=steps_per_epoch)
    callbacks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        callbacks.on_epoch_begin(epoch)
        for step in range(steps_per_epoch):
            callbacks.on_train_batch_begin(step)
            train_step(*next(batches))
            callbacks.on_train_batch_end(step)
        logs = steps.results()
        for batch in validation_data:
            test_step(*batch)
        logs |= {f"val_{name}": value for name, value in steps.results().items()}
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()


def evaluate(network, dataset):
    """Return the loss and the metrics of `metrics()` on a data set, a dict as of `network.evaluate`.

    Args:
        network: as for `fit`.
        dataset: a `tf.data.Dataset` of images and integer labels.
    """
    steps = _Steps(network)
    dataset = steps.distribute(dataset)
    test_step = steps.compiled(steps.test, dataset.element_spec)
    for batch in dataset:
        test_step(*batch)
    return steps.results()


class _Steps:
    """What happens to one batch on one replica, and the metrics that add it up over batches and replicas."""

    def __init__(self, network):
        self.network, self.strategy = network, network.distribute_strategy
        with self.strategy.scope():
            self.loss, self.accuracies = keras.metrics.Mean(name="loss"), metrics()

    def train(self, images, labels):
        optimizer, variables = self.network.optimizer, self.network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            # The mean over the whole batch: in the last one, the replicas' parts may differ in size.
            replicas = tf.distribute.get_replica_context()
            loss = tf.reduce_sum(losses) / tf.cast(replicas.all_reduce("SUM", tf.size(losses)), losses.dtype)
            loss += sum(self.network.losses) / replicas.num_replicas_in_sync
            loss = optimizer.scale_loss(loss)  # for float16; does nothing otherwise
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self._measure(losses, labels, logits)

    def test(self, images, labels):
        logits = self.network(images, training=False)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        self._measure(losses, labels, logits)

    def distribute(self, dataset):
        """Return the data set with each batch dealt out to the replicas."""
        options = tf.data.Options()
        # All machines read all files. If the files were dealt out instead, a batch would have other images.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return self.strategy.experimental_distribute_dataset(dataset.with_options(options))

    def compiled(self, step, batch_spec):
        """Return a graph that runs `step` on every replica. Its signature saves a second one for the smaller last batch."""

        @tf.function(input_signature=batch_spec, jit_compile=self.network.jit_compile)
        def on_all_replicas(images, labels):
            self.strategy.run(step, args=(images, labels))

        return on_all_replicas

    def results(self):
        """Return the metrics since the last call, over all replicas."""
        tracked = [self.loss, *self.accuracies]
        results = {metric.name: float(metric.result()) for metric in tracked}
        for metric in tracked:
            metric.reset_state()
        return results

    def _measure(self, losses, labels, logits):
        self.loss.update_state(losses)
        for accuracy in self.accuracies:
            accuracy.update_state(labels, logits)
