"""Wrong answers that people give on page 10, and a word of what they are told."""

import keras
import tensorflow as tf

from exercises import autodiff as page

SLOPES = page.what_the_tape_says.solution_source()
SQUARE, CONSTANT, PRODUCT, NUMPY, TWICE, STACK = SLOPES


def slopes(case, said):
    return (page.what_the_tape_says, {**SLOPES, case: said})


def first_derivative(f, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(y, x)


def squared_derivative(f, x):
    return first_derivative(f, x) ** 2


def nobody_watches(f, x):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = f(x)
        first = inner.gradient(y, x)
    return outer.gradient(first, x)


def outside_the_outer_tape(f, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = f(x)
    first = inner.gradient(y, x)
    return outer.gradient(first, x)


def asked_twice(f, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    return tape.gradient(tape.gradient(y, x), x)


def as_a_list(f, x):
    return [page.second_derivative.solution_source()(f, x)]


def stepping(training=True, swapped=False, penalties=True, move=True, ask="trainable_variables", back="loss"):
    """A training step with a mistake in it."""

    def train_step(model, loss_function, optimizer, x, y):
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True) if training else model(x)
            loss = loss_function(y_pred, y) if swapped else loss_function(y, y_pred)
            if penalties:
                loss += sum(model.losses)
        gradients = tape.gradient(loss, getattr(model, ask))
        if move:
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        returned = {"loss": loss, "nothing": None, "twice": 2 * loss, "both": (loss, y_pred), "list": [loss]}
        return returned[back]

    return train_step


def returns_before_stepping(model, loss_function, optimizer, x, y):
    return tf.reduce_mean(tf.square(y - model(x, training=True)))


def predicts_before_the_tape(model, loss_function, optimizer, x, y):
    y_pred = model(x, training=True)
    with tf.GradientTape() as tape:
        loss = loss_function(y, y_pred) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


def steps_by_hand(model, loss_function, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True)) + sum(model.losses)
    for gradient, variable in zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables):
        variable.assign_sub(0.1 * gradient)
    return loss


def predicts_again_in_training(model, loss_function, optimizer, x, y):
    loss = stepping()(model, loss_function, optimizer, x, y)
    model(x, training=True)
    return loss


def forgets_the_new_statistics(model, loss_function, optimizer, x, y):
    trained = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(trained)
        y_pred, _ = model.stateless_call(trained, [v.value for v in model.non_trainable_variables], x, training=True)
        loss = loss_function(y, y_pred)
    optimizer.apply(tape.gradient(loss, trained), model.trainable_variables)
    return loss


def adds_the_first_penalty(model, loss_function, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True)) + model.losses[0]
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def has_a_penalty_of_its_own(model, loss_function, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True)) + 0.1 * tf.reduce_sum(model.trainable_variables[0] ** 2)
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def steps_twice(model, loss_function, optimizer, x, y):
    step = stepping()
    step(model, loss_function, optimizer, x, y)
    return step(model, loss_function, optimizer, x, y)


def pieces(weight, divide=None, keep_last=False, move=False, as_list=True):
    """Gradients in pieces, each multiplied by `weight(size)`, the sum divided by `divide(sizes)`."""

    def gradients_in_pieces(model, loss_function, given):
        sums = [tf.zeros_like(v) for v in model.trainable_variables]
        for x, y in given:
            with tf.GradientTape() as tape:
                loss = loss_function(y, model(x))
            gradients = tape.gradient(loss, model.trainable_variables)
            sums = gradients if keep_last else [s + weight(len(x)) * g for s, g in zip(sums, gradients)]
            if move:
                for variable, gradient in zip(model.trainable_variables, gradients):
                    variable.assign_sub(0.1 * gradient)
        if divide:
            sums = [s / divide([len(x) for x, _ in given]) for s in sums]
        return sums if as_list else sums[0]

    return gradients_in_pieces


def reversed_order(model, loss_function, given):
    return page.gradients_in_pieces.solution_source()(model, loss_function, given)[::-1]


def all_at_once(model, loss_function, given):
    x, y = (tf.concat(parts, axis=0) for parts in zip(*given))
    return page.gradients_in_pieces.solution_source()(model, loss_function, [(x, y)])


def one_call_of_the_model(model, loss_function, given):
    with tf.GradientTape() as tape:
        outputs = tf.split(model(tf.concat([x for x, _ in given], axis=0)), [len(x) for x, _ in given])
        loss = sum(loss_function(y, out) * len(y) for (_, y), out in zip(given, outputs)) / 12
    return tape.gradient(loss, model.trainable_variables)


def one_call_of_the_loss(model, loss_function, given):
    with tf.GradientTape() as tape:
        outputs = tf.concat([model(x) for x, _ in given], axis=0)
        loss = loss_function(tf.concat([y for _, y in given], axis=0), outputs)
    return tape.gradient(loss, model.trainable_variables)


def of_another_loss(model, loss_function, given):
    mine = keras.losses.CategoricalCrossentropy(from_logits=True)
    return page.gradients_in_pieces.solution_source()(model, mine, given)


def with_their_variables(model, loss_function, given):
    gradients = page.gradients_in_pieces.solution_source()(model, loss_function, given)
    return zip(gradients, model.trainable_variables)


def only_the_first(model, loss_function, given):
    return page.gradients_in_pieces.solution_source()(model, loss_function, given[:1])


def forgot_the_tape(model, loss_function, given):
    with tf.GradientTape() as tape:
        pass
    loss = sum(loss_function(y, model(x)) for x, y in given)
    return tape.gradient(loss, model.trainable_variables)


WRONG = [
    (*slopes(SQUARE, 9.0), "slope of v²"),
    (*slopes(CONSTANT, 6.0), "watches the constant"),
    (*slopes(CONSTANT, 0), "watches the constant"),
    (*slopes(PRODUCT, "None"), "only a factor"),
    (*slopes(NUMPY, 6.0), "out of TensorFlow"),
    (*slopes(NUMPY, "an error"), "out of TensorFlow"),
    (*slopes(TWICE, 6.0), "How many questions"),
    (*slopes(STACK, "an error"), "target is a vector"),
    (*slopes(STACK, 6.0), "target is a vector"),
    (*slopes(STACK, [1, 6]), "target is a vector"),
    (*slopes(SQUARE, None), "slope of v²"),
    (*slopes(STACK, RuntimeError), "target is a vector"),
    (*slopes(PRODUCT, tf.constant([3.0, 3.0])), "only a factor"),
    (*slopes("y = v; gradient(y, v)", 1.0), "Nothing was asked about"),
    (page.what_the_tape_says, list(SLOPES.values()), "dictionary"),
    (*slopes(SQUARE, "6"), "without quotes"),
    (*slopes(TWICE, "nothing"), '"an error"'),
    (page.loss_of_an_epoch, "0.69", "without quotes"),
    (page.loss_of_an_epoch, (0.5 + 0.7 + 1.4) / 3, "mean over batches"),
    (page.loss_of_an_epoch, 0.8667, "mean over batches"),
    (page.loss_of_an_epoch, 49.6, "sum over the examples"),
    (page.loss_of_an_epoch, 49.6 / 96, "not full"),
    (page.loss_of_an_epoch, 49.6 / 3, "number of batches"),
    (page.loss_of_an_epoch, 0.6, "is small"),
    (page.loss_of_an_epoch, 1.4, "each example weigh"),
    (page.second_derivative, first_derivative, "gives the first derivative"),
    (page.second_derivative, squared_derivative, "square of the first"),
    (page.second_derivative, nobody_watches, "first derivative is None"),
    (page.second_derivative, outside_the_outer_tape, "outer tape can see it"),
    (page.second_derivative, asked_twice, "RuntimeError"),
    (page.second_derivative, as_a_list, "gives a list"),
    (page.second_derivative, lambda f, x: first_derivative, "Return one number"),
    (page.second_derivative, lambda f: first_derivative, "Yours takes (f)"),
    (page.one_step, stepping(swapped=True), "predictions first"),
    (page.one_step, stepping(training=False), "training=True"),
    (page.one_step, forgets_the_new_statistics, "statistics of the batch normalization stand still"),
    (page.one_step, predicts_again_in_training, "more than once"),
    (page.one_step, steps_by_hand, "not to where one step"),
    (page.one_step, stepping(penalties=False), "regularizer"),
    (page.one_step, stepping(move=False), "No weight has moved"),
    (page.one_step, stepping(ask="weights"), "last layer has not moved"),
    (page.one_step, stepping(back="nothing"), "also return the loss"),
    (page.one_step, stepping(back="twice"), "you return"),
    (page.one_step, stepping(back="both"), "one number"),
    (page.one_step, stepping(back="list"), "one number"),
    (page.one_step, returns_before_stepping, "never called"),
    (page.one_step, adds_the_first_penalty, "list index out of range"),
    (page.one_step, has_a_penalty_of_its_own, "wrong for one without"),
    (page.one_step, steps_twice, "not to where one step"),
    (page.one_step, predicts_before_the_tape, "inside the with"),
    (page.gradients_in_pieces, pieces(lambda size: 1), "three means"),
    (page.gradients_in_pieces, pieces(lambda size: 1, len), "smallest one counts"),
    (page.gradients_in_pieces, pieces(lambda size: size), "Now divide"),
    (page.gradients_in_pieces, pieces(None, keep_last=True), "overwritten"),
    (page.gradients_in_pieces, pieces(lambda size: size, sum, move=True), "weights have moved"),
    (page.gradients_in_pieces, pieces(lambda size: size, sum, as_list=False), "one for each"),
    (page.gradients_in_pieces, reversed_order, "order"),
    (page.gradients_in_pieces, all_at_once, "12 examples at once"),
    (page.gradients_in_pieces, one_call_of_the_model, "The model got 12 examples"),
    (page.gradients_in_pieces, one_call_of_the_loss, "loss_function got 12 examples"),
    (page.gradients_in_pieces, of_another_loss, "never called"),
    (page.gradients_in_pieces, with_their_variables, "without their variables"),
    (page.gradients_in_pieces, only_the_first, "inside the loop"),
    (page.gradients_in_pieces, forgot_the_tape, "inside the tape"),
]  # fmt: skip
