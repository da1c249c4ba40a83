"""The tutorial's second program: a static graph in TensorFlow, which is imported when first used.

Read `program` first; `static_graph` is what it runs.
"""
