"""The verbs: the only layer that knows Hydra and wandb."""
