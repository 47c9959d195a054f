"""The machinery of the course: exercises, comparing outputs, pairing and rendering the pages."""
