"""A viewer at its websocket: who is let in, what it says, how its run is played, and what it is sent.

Imports `training` and `store`, and what stands below those; no route. `admission` and `connection` serve every socket
of this server, and the latter has their close codes. Read `viewer` first.
"""
