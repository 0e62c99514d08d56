"""Exporting trajectories in the layouts that trainers read: `ise export RUN --format F`.

A format is a module here with one function `write(source, out, options) -> Report`; what they
share is which episodes are taken (`selection`), how messages are put (`shape`), and that an
output appears whole or not at all (`files`).
"""
