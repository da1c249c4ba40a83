"""Predictions: what is asked, checked; the state that goes along, sealed; and the thread that answers.

Imports `store`, `telemetry` and `protocol`. Read `question` first.
"""
