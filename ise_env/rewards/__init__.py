"""Checks, the verifier, and what a verdict is worth."""
