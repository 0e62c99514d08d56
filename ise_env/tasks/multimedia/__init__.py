"""Kits of the domain multimedia; one file a kit."""
