"""A run or a network as something that needs nothing of ours: a PyTorch script, an ONNX file.

Read `script` first.
"""
