"""Secrets in a text: their names, their shapes, where they are, and whether the hidden part could be read."""
