"""Hydra configuration, shipped as package data: ``pkg://raise_agent.conf``."""
