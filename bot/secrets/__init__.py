"""Secrets in a text: their names, their shapes, where they stand, and whether what is hidden could be read."""
