"""Compiles the kernels of all cells ahead of the first start.

`python -m model.compiled` keeps them in the user's cache folder, `--beside` with the package, for an image.
"""

import sys

from model.compiled.machine_code import compile_all, compile_beside

if __name__ == "__main__":
    if sys.argv[1:] == ["--beside"]:
        compile_beside()
    else:
        compile_all()
