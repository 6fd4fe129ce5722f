"""How the log names WhatsApp when something happened because WhatsApp said so."""

from __future__ import annotations

from whodid import Actor

__all__ = ["WHATSAPP"]

WHATSAPP = Actor(type="provider", id="whatsapp", name="WhatsApp")
