"""Collecting episodes: collector, command line, statistics."""
