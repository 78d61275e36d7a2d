"""`python -m adapters.cli …`: `nod` from a clone in which nothing of it is installed."""

from adapters.cli import main

main()
