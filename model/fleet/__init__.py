"""Many learners at once, each with numbers of its own: what trains a hall.

Imports the rest of `model` up to `program`. Read `fleet` first; `cells` is its arithmetic.
"""
