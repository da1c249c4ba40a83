"""Unrolled on more than one machine."""
