"""What makes a sampled task real: seed files, sub-goals, checks and a solution per kit."""
