"""Real servers on a workspace's own loopback, run on the host's side.

`spec` says what a task wants to find there, `records` what was done to it. Nothing here knows
agents, users, intents, checks or the environment.
"""
