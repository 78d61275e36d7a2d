"""One file per change of the tables, in the order that they name."""
