"""Kits of the domain source-chain; one file a kit."""
