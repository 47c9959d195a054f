"""The code that the workbook's pages share: data sets, networks, models, training, plots.

It is a library of its own: it imports nothing from the pages or from `workbook`, and importing
it, or `text_recognizer.datasets`, imports neither Keras nor TensorFlow.
"""

import os

# TensorFlow reads this once, when it is imported, and greets on stderr without it. On a page
# that would be an output, and a different one on every machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
