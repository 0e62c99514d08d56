"""A run as one HTML page that needs nothing else: `ise view RUN`."""
