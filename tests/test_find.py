"""From a message to its section."""

import io
import re

import pytest

from tests.course import Course
from workbook.__main__ import main
from workbook.find import Search, message_of, sections
from workbook.pages import pages

TEXT = """\
# Fixes: small

Some words.

## A message is shown

### Labels meet the wrong loss

```text
ValueError: Arguments `target` and `output` must have the same rank (ndim). Received: target.shape=(None,)
```

### A file is not there

```text
FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'
```
"""
TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    model.fit(x, y)
KeyError: 'directory'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "keras/losses.py", line 12, in call
    raise ValueError("a file or a directory")
keras.src.errors.ValueError: Arguments `target` and `output` must have the same rank (ndim).
Received: target.shape=(3, 1)
"""


@pytest.fixture
def page(tmp_path):
    return Course(tmp_path).page("fixes_small", TEXT)


def test_a_section_ends_where_the_next_begins(page):
    found = sections(page)
    assert [section.line for section in found] == [1, 5, 7, 13]
    assert found[2].heading == "Labels meet the wrong loss" and "FileNotFound" not in found[2].text


@pytest.mark.parametrize(
    "pasted, said",
    [
        ("  as I saw it\n", "as I saw it"),
        ("ValueError: one\nmore of it\n", "ValueError: one\nmore of it"),
        (TRACEBACK, TRACEBACK[TRACEBACK.index("ValueError: Arguments") :].strip()),
        ("tensorflow.python.framework.errors_impl.NotFoundError: no\n", "NotFoundError: no"),
        ("tf_keras.src.errors.FooError: no\n", "FooError: no"),
        ("ValueError: keras.errors.FooError: no\n", "ValueError: keras.errors.FooError: no"),
        ("tensorflow.python.keras", "tensorflow.python.keras"),
        ("InvalidArgumentError (see above for traceback): no\n", "InvalidArgumentError: no"),
        ("KeyError: 1\n\nTypeError: no\n\nException encountered: yes\n", "TypeError: no\n\nException encountered: yes"),
        ("\x1b[91mValueError\x1b[39m: no\n", "ValueError: no"),
        *(
            (f"first\n{name}\n", name)
            for name in ("KeyboardInterrupt", "StopIteration", "Exception: no", "UserWarning: no")
        ),
        ("requests.exceptions.ConnectionError: no\n", "requests.exceptions.ConnectionError: no"),
        ("train.py:3: UserWarning: it is old\n", "train.py:3: UserWarning: it is old"),
        ("    Traceback (most recent call last):\n      File\n    ValueError: no\n", "ValueError: no"),  # from a forum
    ],
)
def test_the_message_in_what_was_pasted(pasted, said):
    assert message_of(pasted) == said


def test_the_best_section_comes_first_whatever_the_numbers(page):
    search = Search([page])
    for message, heading in [
        ("Arguments `target` and `output` must have the same rank (ndim). Received: target.shape=(7, 2)", "Labels"),
        (TRACEBACK, "Labels"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'x.npz'", "A file"),
    ]:
        (similarity, section), *others = search.find(message)
        assert section.heading.startswith(heading) and similarity > 0.5
        assert all(similarity > other for other, _ in others)
    assert search.find("xyzzy 12 34") == []
    assert len(search.find("a file and a target", most=1)) == 1


@pytest.mark.parametrize("said", ["KeyError: 7", "KeyError: 'rows'"])
def test_a_section_that_holds_the_message_as_it_is_comes_first(tmp_path, said):
    text = (
        TEXT + f"\n### A number\n\nof rows\n\n```text\n{said}\n```\n\n### A word\n\n`KeyError: 70` `KeyError: rows`\n"
    )
    search = Search([Course(tmp_path).page("fixes_small", text)])
    assert search.find(said)[0][1].heading == "A number"
    assert search.find("KeyError: 70")[0][1].heading == "A word"


def test_the_command_reads_what_is_pasted(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(TRACEBACK))
    assert main(["find"]) == 0
    what, *first = capsys.readouterr().out.splitlines()[:3]
    assert (
        what.startswith("The number says")
        and re.match(r"0\.\d\d  \S", first[0])
        and re.match(r" +notebooks/\w+\.md, line \d+$", first[1])
    )
    assert main(["find", "xyzzy"]) == 1
    assert "fixes_symptoms.md" in capsys.readouterr().out


def test_each_message_of_a_card_leads_to_it():
    course = pages()
    search = Search(course)
    lost = []
    for page in course:
        if page.has_cards:
            for section in sections(page):
                seen = re.search(r"<!-- see -->\n```text\n(.*?)\n```", section.text, re.DOTALL)
                if not seen or not re.search("Error|Warning|WARNING", seen[1]) or "No module named" in seen[1]:
                    continue  # a symptom; or what the package is called says it all
                if re.fullmatch(r"\w+: \W*\d+\W*", seen[1]):
                    continue  # a number alone
                found = search.find(seen[1])
                if section not in [other for _, other in found]:
                    lost.append(f"{section.heading}: {[other.heading for _, other in found]}")
    assert not lost, "\n".join(lost)
