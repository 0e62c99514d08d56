"""Stage 3: isolated live workspaces."""
