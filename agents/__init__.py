"""Policies: anything that answers an observation with an assistant message."""
