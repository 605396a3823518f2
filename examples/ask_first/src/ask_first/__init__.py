"""A chat that asks what a safe answer needs to know before it answers.

chat = AskFirst(AcquisitionPolicy.load("path/to/policy"), HttpChat("http://localhost:8000/v1", "my-model"))
reply = chat.complete("user-17", [{"role": "user", "content": "Should I quit my job?"}])
for piece in reply.text:
    print(piece, end="")
"""

from .asking import AskFirst, Reply
from .http_chat import Chat, HttpChat, Message

__all__ = ["AskFirst", "Chat", "HttpChat", "Message", "Reply"]
