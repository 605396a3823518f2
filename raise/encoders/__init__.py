"""Text encoders: the hashed default, and sentence encoders as options."""

from .base import Encoder, available_encoders, load_encoder, make_encoder, save_encoder
from .hashing import HashingEncoder

__all__ = [
    "Encoder",
    "HashingEncoder",
    "available_encoders",
    "load_encoder",
    "make_encoder",
    "save_encoder",
]
