"""The service: rooms, each of which says for itself what it is for.

A chunk is drawn by `model.signal` when a learner in the training process advances; its update crosses to the event loop
in `training.link`, and to the page in `live.viewer`. A prediction goes `routes` → `inference` and back. `main` puts the
parts together, `cli` starts them. Which room may import which is in pyproject.toml; docs/tour-of-the-code.md follows a
chunk and a prediction line by line.
"""
