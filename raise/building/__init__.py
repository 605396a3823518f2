"""Building data with a model: profiles and queries that it writes, posts that it reads (paper, section 2)."""
