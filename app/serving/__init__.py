"""The server below the app: uvicorn in one process or several, its sockets, and the machine that it may use.

Is handed the app and knows no route. Imports `training.child`, `telemetry` and `settings`. Read `server` first.
"""
