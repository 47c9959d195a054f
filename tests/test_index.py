"""The index of names: what is found in a cell, and that the stored one is the one that would be written."""

import pytest

from tests.course import Course
from workbook.index import INDEX, index, names_used
from workbook.pages import PageError, pages

IMPORTS = """
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.optimizers import Adam as Optimizer
"""

FOUND = {
    "keras.Input((2,))": {"keras.Input"},
    "layers.Dense(10, activation='relu')": {"keras.layers.Dense"},
    "tf.data.Dataset.range(3).batch(2)": {"tf.data.Dataset.range"},
    "Optimizer(0.1)": {"keras.optimizers.Adam"},
    "keras.layers.Dense.__name__": {"keras.layers.Dense"},
    "keras.__version__, keras.src._private": {"keras.src"},
    "np.abs(1), model.fit(x), ____": set(),
    "from tensorflow.core.framework import tensor_pb2\ntensor_pb2.TensorProto()": set(),
    "%autoreload 2\nlayers.Add()": {"keras.layers.Add"},
    "import tensorflow.keras.saving\ntensorflow.keras.saving.load_model": {"tf.keras.saving.load_model"},
    "def f(x):\n    return tf.cast(keras.ops.abs(x), tf.int32)": {"tf.cast", "keras.ops.abs", "tf.int32"},
}


@pytest.mark.parametrize("source", FOUND)
def test_names_used(source):
    imported = {}
    list(names_used(IMPORTS, imported))
    assert set(names_used(source, imported)) == FOUND[source]


def test_a_name_stands_with_the_first_section_of_each_page(tmp_path):
    course = Course(tmp_path)
    first = course.page("01_a", "# A\n\n```python\nfrom keras import layers\n```\n\n"
                        "## `Dense` comes first\n\n```python\nlayers.Dense(1)\n```\n\n## Later\n\n"
                        "```python\nlayers.Dense(1)\nlayers.Add()\n```\n\n```text\nlayers.Dot\n```\n")  # fmt: skip
    second = course.page("02_b", "# B\n\n```python\nimport keras\n\nvars(keras.layers), keras.layers.Dense(2)\n```\n")
    text = index([first, second])
    assert "- `keras.layers.Dense`: [01 `Dense` comes first](01_a.md#dense-comes-first), [02](02_b.md#b)\n" in text
    assert "- `keras.layers.Add`: [01 Later](01_a.md#later)\n" in text
    assert text.count("- `") == 2 and text.count("## keras.layers\n") == 1


def test_the_fixes_count_for_names_that_no_page_has(tmp_path):
    course = Course(tmp_path)
    cell = "\n\n```python\nimport tensorflow as tf\n\ntf.constant(1)\n```\n"
    page = course.page("01_a", "# A" + cell)
    fixes = course.page("fixes_b", "# B" + cell + "\n### It is gone\n\n```python\ntf.Session()\n```\n")
    text = index([page, fixes])
    assert "- `tf.constant`: [01 A](01_a.md#a)\n" in text
    assert "- `tf.Session`: [fixes It is gone](fixes_b.md#it-is-gone)\n" in text


def test_a_cell_that_cannot_be_read_is_named(tmp_path):
    page = Course(tmp_path).page("01_a", "# A\n\n```python\nx = !ls\n```\n")
    with pytest.raises(PageError, match=r"01_a\.md, the cell at line 3"):
        index([page])


def test_the_index_is_the_one_that_would_be_written():
    up_to_date = INDEX.read_text(encoding="utf-8") == index(pages())
    assert up_to_date, "notebooks/index.md does not say what the pages use. To mend it: make index"
