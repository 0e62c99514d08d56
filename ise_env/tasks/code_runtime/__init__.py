"""Kits of the domain code-runtime; one file a kit."""
