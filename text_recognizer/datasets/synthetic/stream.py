"""Random numbers that follow from their seed in every version of NumPy."""

import math

import numpy as np


class Stream:
    """A stream of random numbers that no new version of NumPy changes.

    NumPy may change what the methods of `numpy.random.default_rng` give, for better algorithms
    (https://numpy.org/neps/nep-0019-rng-policy.html). It guarantees the integers of the bit generator below them, 64
    random bits each (see `numpy.random.PCG64`). Everything here is computed from these, in the way of NumPy 2.4: what
    its `default_rng` draws, this draws too, and will go on to.

    Args:
        seed: an integer, 0 or more, or a sequence of them.

    Example:
        >>> stream = Stream(seed=0)
        >>> stream.integers(1, 7, size=5).tolist()
        [6, 4, 4, 2, 2]
        >>> stream.permutation(4).tolist()
        [2, 0, 3, 1]
    """

    def __init__(self, seed):
        self._bits = np.random.PCG64(seed)
        self._words = np.empty(0, np.uint64)  # of 32 bits, drawn and not yet used: none or one

    def random(self):
        """Return a float, at least 0 and below 1, in steps of 2^-53."""
        return (self._bits.random_raw() >> 11) * 2.0**-53

    def integers(self, low, high, size=None):
        """Return integers, at least `low` and below `high`, each as likely as another.

        By D. Lemire, "Fast Random Integer Generation in an Interval", ACM Transactions on Modeling and Computer
        Simulation 29(1), 2019, arXiv:1805.10941.

        Args:
            low, high: integers; `high` is larger than `low`, by 2^32 at most.
            size: the shape, an integer or a sequence of them. Default: a single integer, not in an array.

        Returns:
            int64 of that shape, or an int.

        Raises:
            ValueError: there is no integer from `low` to below `high`, or there are too many.
        """
        count = int(high) - int(low)
        if not 1 <= count <= 2**32:
            raise ValueError(f"low is {low}, and high {high}; high must be larger, by 2^32 at most")
        shape = () if size is None else np.empty(size, np.bool_).shape
        wanted = math.prod(shape)
        taken = np.empty(0, np.uint64)
        while len(taken) < wanted:
            products = self._draw(wanted - len(taken)) * np.uint64(count)
            fair = products % 2**32 >= 2**32 % count  # without those left out, some numbers would come more often
            taken = np.concatenate([taken, products[fair] >> 32])
        drawn = taken.astype(np.int64).reshape(shape) + low
        return int(drawn) if size is None else drawn

    def permutation(self, x):
        """Return a sequence in random order, as an array; of an integer n, the integers from 0 to n - 1.

        By R. Durstenfeld, "Algorithm 235: Random Permutation", Communications of the ACM 7(7), 1964.
        """
        shuffled = np.arange(x) if np.ndim(x) == 0 else np.array(x)
        for last in range(len(shuffled) - 1, 0, -1):
            bits = last.bit_length()
            while (other := int(self._draw(1)[0]) % 2**bits) > last:
                pass
            shuffled[[last, other]] = shuffled[[other, last]]
        return shuffled

    def _draw(self, count):
        """Return so many random words of 32 bits, in uint64: of each integer of 64 bits first the lower half."""
        raw = self._bits.random_raw((count - len(self._words) + 1) // 2)
        words = np.concatenate([self._words, np.stack([raw % 2**32, raw >> 32], axis=1).ravel()])
        self._words = words[count:]
        return words[:count]
