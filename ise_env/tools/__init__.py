"""The tools that an agent is offered, one a file, one registry."""
