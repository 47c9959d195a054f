"""`pytest --nbval` executes every notebook again and compares: see workbook/pytest_plugin.py."""

pytest_plugins = ["workbook.pytest_plugin"]
