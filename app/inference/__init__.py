"""Predictions: requests are checked, states sealed, and answers made in rounds that many requests share.

Imports `store`, `telemetry` and `protocol`. Read `question` first.
"""
