"""`python -m text_recognizer`: see `text_recognizer.command`."""

import sys

from text_recognizer.command import main

sys.exit(main())
