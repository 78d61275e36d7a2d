"""`python -m adapters.cli …`: `nod` from a clone that is not installed."""

from adapters.cli import main

main()
