"""The Docker backend: containers of an engine, trees on size-capped memory beside them."""
