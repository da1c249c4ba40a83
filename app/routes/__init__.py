"""The contract's routes, a file for each row of its table. What they do is done in other rooms.

Imports everything but `commands`, `serving` and `main`, which puts them together. Read `predict` first.
"""
