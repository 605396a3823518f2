"""Responder, judge, prior and agent played by models behind an OpenAI-compatible server, meant for vLLM."""
