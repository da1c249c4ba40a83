"""LitServe with batching on, answering with the same model and the same forward pass."""

import os
import signal
import socket
from typing import Any

import litserve
import numpy as np

from model.checkpoint import Checkpoint
from model.inference import Weights, predict
from model.weights import bundled

# At 64 connections a wait of 5, 10 or 20 ms gave the same rate within the noise, and so did its fast queue; 0 and 1 ms
# gave no more. At one connection each request waits for all of it.
MOST_REQUESTS = 64
WAIT_SECONDS = 0.005


class Api(litserve.LitAPI):
    """No more than the work itself: neither state nor checks nor warnings."""

    def setup(self, device: str) -> None:
        self._weights = Weights.of(Checkpoint.from_bytes(bundled()["sine"]).network())

    def decode_request(self, request: dict[str, Any]) -> Any:
        return np.array(request["sequence"], np.float32)

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, batch: list[Any]) -> list[Any]:
        predictions, _ = predict(self._weights, batch, [None] * len(batch))
        return predictions

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"prediction": output.tolist()}


def _end(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    os.setpgrp()
    signal.signal(signal.SIGTERM, _end)  # its processes would outlive it otherwise
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    print(f"LitServe is at http://127.0.0.1:{port}", flush=True)
    api = Api(max_batch_size=MOST_REQUESTS, batch_timeout=WAIT_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, healthcheck_path="/readyz")
    server.run(host="127.0.0.1", port=port, num_api_servers=1, log_level="error", generate_client_file=False)
