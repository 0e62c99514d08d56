"""Kits of the domain system-infrastructure; one file a kit."""
