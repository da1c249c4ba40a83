"""The command line, a file for each subcommand, and what only those use.

`app.cli` lists them, and has `unrolled serve` itself. `chart`, `checkup`, `mistake`, `reading`, `recording` and `speed`
are no commands. Imports everything but `routes`, `live` and `main`. Read `train` first.
"""
