"""Kits of the domain comms-social; one file a kit."""
