"""Common parts of routes: bodies read within bounds, refusals with a status, headers, OpenAPI.

Imports `telemetry`, `protocol` and `settings`; no route, and nothing that trains or predicts. Read `answers` first.
"""
