"""`python -m text_recognizer`: see `text_recognizer.cli`."""

import sys

from text_recognizer.cli import main

sys.exit(main())
