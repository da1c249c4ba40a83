"""Log lines, metrics, and how long requests take.

Imports `protocol` and `settings`. Read `metrics` first.
"""
