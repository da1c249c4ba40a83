"""The command line, a file for each subcommand, and what only those use.

Imports everything but `routes`, `live` and `main`. `unrolled serve` is in `app.cli`. Read `train` first.
"""
