"""Read characters and lines of text, and classify photographs, with Keras: data sets, networks, models, training.

Importing it changes nothing in the process. Importing it, or `text_recognizer.datasets`, imports
neither Keras nor TensorFlow.
"""
