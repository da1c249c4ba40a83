"""The service: rooms, each of which says for itself what it is for.

A chunk goes `training` → `live` → the page; a prediction `routes` → `inference` and back. `main` puts the parts
together, `cli` starts them. Which room may import which is in pyproject.toml.
"""
