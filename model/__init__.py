"""The maths of Unrolled: torch and numpy, no web. Read it from `recipe` down to `inference`.

Importing it fixes two process-wide switches of torch, because a run promises the same numbers bit for bit:
one thread (sums split over threads round differently) and no oneDNN (its LSTM kernels depend on the company
a sequence is computed in, and its cache grows with every new shape).
"""

import torch

torch.set_num_threads(1)
torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]
