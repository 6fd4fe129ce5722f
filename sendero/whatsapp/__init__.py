"""WhatsApp as seen from here: what can be asked of it (`provider`), and what it tells us by itself."""
