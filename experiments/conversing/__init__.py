"""A conversation on the terminal (``raise-agent agent``)."""
