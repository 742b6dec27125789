"""How each provider is spoken to: one request, one reply. Everything else is the same for all
(``embedding.remote``)."""

from omnilake.embedding.wires.wire import Purpose, Reply, Request, Wire, wire_for

__all__ = ["Purpose", "Reply", "Request", "Wire", "wire_for"]
