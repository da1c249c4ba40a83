"""Models as files, bounded and shared by several servers; and series of numbers as people keep them in files.

Imports `protocol` alone. Read `models` first, then `folder`, which is its disk.
"""
