"""The bar over all epochs of a training."""

import keras
import numpy as np

from text_recognizer.training.progress import ProgressBar


def build(**compiling):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    network.compile("sgd", "mse", jit_compile=False, **compiling)
    return network


class Watch(keras.callbacks.Callback):
    """Writes down how far the bar is, of how far, after each batch."""

    def __init__(self, progress):
        super().__init__()
        self.task, self.seen = lambda: progress._progress.tasks[-1], []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((self.task().completed, self.task().total))


def test_one_bar_over_the_epochs_that_are_left_and_a_line_for_each(capsys):
    with ProgressBar() as progress:
        watch = Watch(progress)
        build().fit(np.zeros((4, 2)), np.zeros(4), 2, epochs=3, initial_epoch=1, callbacks=[progress, watch], verbose=0)
    assert watch.seen == [(0.5, 2), (1, 2), (1.5, 2), (2, 2)]
    assert capsys.readouterr().out == "epoch 2/3  loss 0.0000\nepoch 3/3  loss 0.0000\n"


def test_steps_that_are_executed_at_once_all_count():
    with ProgressBar() as progress:
        watch = Watch(progress)
        network = build(steps_per_execution=4)
        network.fit(np.zeros((16, 2)), np.zeros(16), 2, epochs=2, callbacks=[progress, watch], verbose=0)
    assert watch.seen == [(0.5, 2), (1, 2), (1.5, 2), (2, 2)]


def test_where_nobody_knows_the_steps_the_bar_moves_with_each_epoch():
    class Unknown(keras.callbacks.Callback):
        def set_params(self, params):
            params["steps"] = None

    with ProgressBar() as progress:
        watch = Watch(progress)
        arguments = {"epochs": 2, "callbacks": [Unknown(), progress, watch], "verbose": 0}
        build().fit(np.zeros((4, 2)), np.zeros(4), 2, **arguments)
    assert watch.seen == [(0, 2), (0, 2), (1, 2), (1, 2)]


def test_a_second_training_has_a_bar_of_its_own(capsys):
    network = build()
    with ProgressBar() as progress:
        for _ in range(2):
            network.fit(np.zeros((4, 2)), np.zeros(4), epochs=1, callbacks=[progress], verbose=0)
    assert capsys.readouterr().out == "epoch 1/1  loss 0.0000\n" * 2


def test_results_that_are_no_numbers_are_written_as_they_are(capsys):
    class Words(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["confusion"] = np.eye(2, dtype=int)

    with ProgressBar() as progress:
        build().fit(np.zeros((4, 2)), np.zeros(4), callbacks=[Words(), progress], verbose=0)
    assert "confusion [[1, 0], [0, 1]]" in capsys.readouterr().out
