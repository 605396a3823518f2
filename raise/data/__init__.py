"""PENGUIN data."""
