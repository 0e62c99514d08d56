"""Kits of the domain agent-memory; one file a kit."""
