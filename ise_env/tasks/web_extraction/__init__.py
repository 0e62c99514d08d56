"""Kits of the domain web-extraction; one file a kit."""
