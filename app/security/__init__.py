"""Who may come in: origins, requests that a foreign page makes, and the operator's token.

Imports `http` and what that imports. Read `origins` first; docs/security.md says what each is against.
"""
