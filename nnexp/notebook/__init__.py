"""Sweeps in a notebook or a script."""
