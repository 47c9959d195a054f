"""`make full`: what the cells tagged `result` print and draw, and nothing else."""

import pytest

from tests.course import Course
from workbook.full import results
from workbook.pages import PageError

TEXT = """# A small page

```python tags=["result"]
import matplotlib.pyplot as plt

print("a result")
figure = plt.figure(figsize=(2, 1))
plt.plot([3, 1, 2]);
```

<!-- expect -->
![a line that falls and then rises again](../img/77_result.png)
<!-- /expect -->

```python
print("no result")
plt.figure(figsize=(2, 1))
plt.plot([1, 2, 3]);
```

<!-- expect -->
![a line that only rises, from one to three](../img/77_other.png)
<!-- /expect -->
"""


def test_results_are_printed_and_their_figures_written(tmp_path):
    page = Course(tmp_path).page("77_small", TEXT)
    assert results(page) == ["a result"]
    assert [path.name for path in tmp_path.rglob("*.png")] == ["77_result.png"]
    assert (tmp_path / "img" / "full" / "77_result.png").read_bytes().startswith(b"\x89PNG")
    assert page.text.read_text(encoding="utf-8") == TEXT and not page.notebook.exists()


def test_a_page_that_fails_on_the_real_data_writes_no_figure(tmp_path):
    page = Course(tmp_path).page("77_small", TEXT.replace('print("no result")', "assert 1 == 2"))
    with pytest.raises(PageError, match="AssertionError"):
        results(page)
    assert not list(tmp_path.rglob("*.png"))
