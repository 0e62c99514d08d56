"""Trajectories: the record, the store, and how to read them back."""
