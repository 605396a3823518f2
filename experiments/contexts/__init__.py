"""A responder with the query alone and with the whole profile (``raise-agent penguin``)."""
