"""Log lines, metrics, and how long requests take.

/metrics is answered by `routes.probes`. Imports `protocol` and `settings`. Read `metrics` first.
"""
