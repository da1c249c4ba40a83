"""Where runs are trained: a process of its own, and the event loop's side of it.

On the side of the event loop `trainer` gives orders and `link` carries them; `child` starts the process and `orders`
are what crosses; on the far side `process` takes them in turn, with `runs`, `turns` and `fair_queue`. Imports
`telemetry` and `protocol`; `child` and `process` are started before the rest of the service is imported. Read `trainer`
first.
"""
