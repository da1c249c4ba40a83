"""The graph lab: the same chunks through nine kinds of graph, each in a process of its own.

Read `bench` first; `kinds` lists them.
"""
