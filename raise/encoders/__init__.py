"""Text encoders: the hashed default, and sentence encoders as options."""
