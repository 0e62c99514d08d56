"""Stage 2: role-locked user simulators."""
