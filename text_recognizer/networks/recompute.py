"""Compute a second time what would take memory to keep."""


def recomputed(function):
    """Return the same function, of which training on TensorFlow keeps the input alone.

    A gradient needs what a layer computed on the way. Here it is computed again when it is needed, as in
    T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training Deep Nets with Sublinear Memory Cost",
    arXiv:1604.06174. In a graph, such as `fit` runs, only what the gradient needs; eagerly, all of it.
    `keras.remat` does so too, also on JAX. The first `fit` of the full ResNet took 12 to 13 s with it, 9
    to 10 s with this, and 7 s where all is kept (`python -m benchmarks.resnet_step --only first`).

    Args:
        function: of one tensor, to one or several tensors. It changes no variable, as it is called twice.

    Example:
        >>> import tensorflow as tf
        >>> square = recomputed(lambda x: x * x)
        >>> x = tf.constant(3.0)
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = square(x)
        >>> float(y), float(tape.gradient(y, x))
        (9.0, 6.0)
    """
    import tensorflow as tf

    @tf.custom_gradient
    def once(x):
        def gradients(*upstream, variables=()):
            with tf.control_dependencies(upstream[:1]):  # or all would be there again before the first is needed
                again = tf.identity(x)
            with tf.GradientTape() as tape:
                tape.watch(again)
                outputs = function(again)
            by_input, *by_variable = tape.gradient(outputs, [again, *variables], upstream)
            return (by_input, by_variable) if variables else by_input

        return function(x), gradients

    return once
