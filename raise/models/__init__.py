"""Models that score answers and rank attributes: the contracts, and the simulated one."""
