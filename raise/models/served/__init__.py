"""Responder, judge and prior played by models behind an OpenAI-compatible server, meant for vLLM."""
