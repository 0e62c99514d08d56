"""Gymnasium environments for OS agents."""
