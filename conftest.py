"""`pytest --nbval` executes every notebook again and compares: see workbook/collect.py."""

from workbook.collect import pytest_collect_file, pytest_configure  # noqa: F401
