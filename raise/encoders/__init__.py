"""Text encoders: hashed words, a static encoder, and sentence encoders."""

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
