"""The command line, one module a group of commands; heavy imports happen inside commands."""
