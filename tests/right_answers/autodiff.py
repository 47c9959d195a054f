"""Right answers on page 10 that are written otherwise than the solution."""

from fractions import Fraction

import keras
import numpy as np
import tensorflow as tf

from exercises import autodiff as page

# --- 1 ------------------------------------------------------------------------------------------


def asked_of_a_tape():
    """What the tape itself gives, as objects: tensors, None and an exception."""
    v, c = tf.Variable(3.0), tf.constant(3.0)

    def ask(target, source, times=1):
        with tf.GradientTape() as tape:
            y = target()
        try:
            return [tape.gradient(y, source) for _ in range(times)][-1]
        except RuntimeError as error:
            return error

    slopes = (
        ask(lambda: v**2, v),
        ask(lambda: c**2, c),
        ask(lambda: v * c, v),
        ask(lambda: tf.constant(v.numpy() ** 2), v),
        ask(lambda: v**2, v, times=2),
        ask(lambda: tf.stack([v, v**2]), v),
    )
    return dict(zip(page.what_the_tape_says.solution_source(), slopes))


def in_another_order():
    answer = page.what_the_tape_says.solution_source()
    return {case: answer[case] for case in reversed(answer)}


def with_other_numbers_and_words():
    return dict(zip(page.what_the_tape_says.solution_source(), (6, "none", np.float32(3), None, RuntimeError, 7)))


# --- 2 ------------------------------------------------------------------------------------------


def by_a_metric():
    mean = keras.metrics.Mean()
    for loss, examples in ((0.5, 32), (0.7, 32), (1.4, 8)):
        mean.update_state(loss, sample_weight=examples)
    return mean.result()


# --- 3 ------------------------------------------------------------------------------------------


def with_one_persistent_tape(f, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first = tape.gradient(f(x), x)
    return tape.gradient(first, x)


def of_a_variable(f, x):
    v = tf.Variable(x)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        y = f(v)
        first = inner.gradient(y, v)
    return outer.gradient(first, v)


def forward_over_reverse(f, x):
    with tf.autodiff.ForwardAccumulator(x, tf.constant(1.0)) as forward:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        first = tape.gradient(y, x)
    return forward.jvp(first)


def by_symbolic_gradients(f, x):
    @tf.function
    def second(x):
        (first,) = tf.gradients(f(x), x)
        return tf.gradients(first, x)[0]

    return second(x)


def derivative(f):
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.gradient(y, x)

    return slope


def by_a_derivative_of_functions(f, x):
    return derivative(derivative(f))(x).numpy()


def as_a_float(function, where):
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch([where])
        with tf.GradientTape() as inner:
            inner.watch([where])
            y = function(where)
        [first] = inner.gradient(y, [where])
    return float(outer.gradient(first, [where])[0])


# --- 4 ------------------------------------------------------------------------------------------


def by_apply(model, loss_function, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = tf.add_n([loss_function(y_true=y, y_pred=model(x, training=True)), *model.losses])
    optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
    return loss.numpy()


def by_train_on_batch(model, loss_function, optimizer, x, y):
    model.compile(optimizer=optimizer, loss=loss_function)
    return model.train_on_batch(x, y)


def without_state(model, loss_function, optimizer, x, y):
    """As it is written for JAX: a call changes nothing, and gives the new statistics."""
    trained = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(trained)
        statistics = [v.value for v in model.non_trainable_variables]
        y_pred, statistics, penalties = model.stateless_call(trained, statistics, x, training=True, return_losses=True)
        loss = loss_function(y, y_pred) + sum(penalties)
    optimizer.build(model.trainable_variables)
    optimizer.apply(tape.gradient(loss, trained))
    for variable, value in zip(model.non_trainable_variables, statistics):
        variable.assign(value)
    return loss


@tf.function
def in_a_graph(model, loss_function, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True)) + tf.reduce_sum(model.losses)
    optimizer.apply(tape.gradient(loss, model.trainable_variables))
    return loss


def in_two_parts(model, loss_function, optimizer, x, y):
    """The gradient of a sum is the sum of the gradients, and what has none is left out."""
    with tf.GradientTape(persistent=True) as tape:
        data = loss_function(y, model(x, training=1))
        penalty = sum(model.losses, tf.constant(0.0))
    of_data, of_penalty = tape.gradient(data, model.weights), tape.gradient(penalty, model.weights)
    pairs = [
        (g if p is None else g + tf.convert_to_tensor(p), v)
        for g, p, v in zip(of_data, of_penalty, model.weights)
        if g is not None
    ]
    optimizer.apply_gradients(pairs)
    return float(data + penalty)


def with_an_accuracy_afterwards(model, loss_function, optimizer, x, y):
    loss = page.one_step.solution_source()(model, loss_function, optimizer, x, y)
    keras.metrics.CategoricalAccuracy()(y, model(x))
    return loss


# --- 5 ------------------------------------------------------------------------------------------


def with_accumulators(model, loss_function, pieces):
    sums = [tf.Variable(tf.zeros_like(v)) for v in model.trainable_variables]
    seen = 0
    for x, y in pieces:
        with tf.GradientTape() as tape:
            loss = loss_function(y_true=y, y_pred=model(x)) * x.shape[0]
        for total, gradient in zip(sums, tape.gradient(loss, model.trainable_variables)):
            total.assign_add(gradient)
        seen += x.shape[0]
    return tuple(total / seen for total in sums)


def with_one_tape(model, loss_function, pieces):
    with tf.GradientTape() as tape:
        losses = [loss_function(y, model(x)) for x, y in pieces]
        loss = tf.tensordot(losses, [len(x) / sum(len(x) for x, _ in pieces) for x, _ in pieces], 1)
    return tape.gradient(loss, model.trainable_variables)


def with_weights_of_examples(model, loss_function, pieces):
    count, sums = sum(len(x) for x, _ in pieces), [0.0] * len(model.trainable_variables)
    for x, y in pieces:
        with tf.GradientTape() as tape:
            loss = loss_function(y, model(x), sample_weight=tf.fill([len(x)], len(x) / count))
        sums = [s + g for s, g in zip(sums, tape.gradient(loss, model.trainable_variables))]
    return sums


def one_by_one(model, loss_function, pieces):
    gradients = []
    for x, y in pieces:
        for i in range(len(x)):
            with tf.GradientTape() as tape:
                loss = loss_function(y[i : i + 1], model(x[i : i + 1], training=True))
            gradients.append(tape.gradient(loss, model.trainable_variables))
    return [np.mean(np.stack(of_one), axis=0) for of_one in zip(*gradients)]


def as_running_means_in_a_graph(model, loss_function, pieces):
    @tf.function
    def gradients_of(x, y):
        with tf.GradientTape() as tape:
            loss = loss_function(y, model(x))
        return tape.gradient(loss, model.trainable_variables)

    mean, seen = [0.0] * len(model.trainable_variables), 0
    for x, y in pieces:
        seen += len(x)
        mean = [m + (g - m) * (len(x) / seen) for m, g in zip(mean, gradients_of(x, y))]
    return (m for m in mean)


RIGHT = [
    (page.what_the_tape_says, asked_of_a_tape()),
    (page.what_the_tape_says, in_another_order()),
    (page.what_the_tape_says, with_other_numbers_and_words()),
    (page.loss_of_an_epoch, 0.69),
    (page.loss_of_an_epoch, 0.68),
    (page.loss_of_an_epoch, Fraction(31, 45)),
    (page.loss_of_an_epoch, np.average([0.5, 0.7, 1.4], weights=[32, 32, 8])),
    (page.loss_of_an_epoch, by_a_metric()),
    (page.second_derivative, with_one_persistent_tape),
    (page.second_derivative, of_a_variable),
    (page.second_derivative, forward_over_reverse),
    (page.second_derivative, by_symbolic_gradients),
    (page.second_derivative, by_a_derivative_of_functions),
    (page.second_derivative, as_a_float),
    (page.one_step, by_apply),
    (page.one_step, by_train_on_batch),
    (page.one_step, without_state),
    (page.one_step, in_a_graph),
    (page.one_step, in_two_parts),
    (page.one_step, with_an_accuracy_afterwards),
    (page.gradients_in_pieces, with_accumulators),
    (page.gradients_in_pieces, with_one_tape),
    (page.gradients_in_pieces, with_weights_of_examples),
    (page.gradients_in_pieces, one_by_one),
    (page.gradients_in_pieces, as_running_means_in_a_graph),
]
