"""One network's updates by a kernel that is compiled for the machine: what trains a hall.

Imports the rest of `model` up to `program`. Read `program` first; `kernel` is the arithmetic, `layout` says where each
number lies, and `machine_code` keeps what was compiled.
"""
