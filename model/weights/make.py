"""Makes the pretrained model `sine`: python -m model.weights.make [folder].

Adam brings the network near; Gauss–Newton steps then do in minutes what Adam would not in hours. It runs
on one thread and no clock is in the loop: the same versions on the same machine type give the same weights.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn

from model.checkpoint import Checkpoint, versions
from model.network import Network
from model.recipe import Recipe
from model.weights.gauss_newton import ROUNDS, GaussNewton
from model.weights.quality import measure
from model.weights.streams import INTERVAL, Streams

SEED = 1
STREAMS = 256
ADAM_WINDOWS = 3000
ADAM_RATE = 0.005
MEASURED_SEED = 20_000  # of the streams that the quality in the JSON file is measured on: none was trained on


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    recipe = Recipe(seed=SEED)
    network = Network(recipe.cell, recipe.hidden_size, torch.Generator().manual_seed(SEED))
    streams = Streams(STREAMS, recipe.hidden_size, SEED)
    learn_by_adam(network, streams)
    finish = GaussNewton(network)
    for number in range(ROUNDS):
        finish.round(number, streams)
        if (number + 1) % 50 == 0:
            print(f"Gauss–Newton round {number + 1}: loss {finish.loss:.2e}", flush=True)
    minutes = (time.perf_counter() - start) / 60

    checkpoint = Checkpoint.of_network(recipe, network, interval=INTERVAL)
    (folder / "sine.safetensors").write_bytes(checkpoint.to_bytes())
    quality = measure(network, MEASURED_SEED)._asdict()
    made = {"quality": quality, "seed": MEASURED_SEED, "minutes": round(minutes, 1), "versions": versions()}
    (folder / "sine.json").write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps(made, indent=2))


def learn_by_adam(network: Network, streams: Streams) -> None:
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    for number in range(ADAM_WINDOWS):
        falling = (1 + math.cos(math.pi * number / ADAM_WINDOWS)) / 2
        optimizer.param_groups[0]["lr"] = ADAM_RATE * falling * min(1.0, (number + 1) / 200)
        window = streams.next()
        prediction, _, state = network(window.x, streams.state)
        streams.state = state.detach()
        loss = (window.weight * (prediction - window.target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.3)
        optimizer.step()
        if (number + 1) % 500 == 0:
            print(f"Adam window {number + 1}: loss {loss.item():.2e}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
