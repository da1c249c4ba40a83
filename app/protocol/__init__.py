"""Every shape on the wire, a file for each route or socket; the refusal, and how a value that came is repeated.

Nothing here does anything: messages are read into these classes and written from them. Imports nothing else of `app`.
Read `train` first, then `refusal`.
"""
