"""Stage 1: intents, the pools they are drawn from, and how they are put into words."""
