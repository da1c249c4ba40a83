"""Where runs are trained: a process of its own, and the event loop's side of it.

On the side of the event loop `trainer` gives orders and `link` carries them; `child` starts the process, and `orders`
has what crosses. On the far side `process` takes them: `fair_queue` chooses whose turn it is, `turns` makes the updates
of those, and `runs` holds the learners. Imports `telemetry` and `protocol`; `child` is started before the rest of the
service is imported. Read `trainer` first.
"""
