"""Kits of the domain file-io; one file a kit."""
