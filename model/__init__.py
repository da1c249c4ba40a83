"""The maths of Unrolled: torch and numpy, no web. Read it from `recipe` down to `inference`.

Importing it fixes process-wide switches, because a run promises the same numbers bit for bit: one thread for numpy's
products and for torch (sums split over threads round differently), and no oneDNN in torch (its LSTM kernels depend on
the company a sequence is computed in, and its cache grows with every new shape).
"""

import numpy  # noqa: F401  # what is not loaded yet cannot be limited
import torch
from threadpoolctl import threadpool_limits

threadpool_limits(1, user_api="blas")
torch.set_num_threads(1)
torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]
