"""Nod without any account: an embedded agent platform, and a local chat to answer it from."""
