"""One network's updates by a kernel that is compiled for the machine: what trains a hall.

Imports the rest of `model` up to `program`. Read `program` first; `kernel` is the arithmetic, and `layout` says where
each number lies. `machine_code` compiles, and `kept` keeps what comes of it.
"""
