"""Kits of the domain automation-flow; one file a kit."""
