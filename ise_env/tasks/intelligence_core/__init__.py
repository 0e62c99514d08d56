"""Kits of the domain intelligence-core; one file a kit."""
