"""Sendero: a small, real workspace application for marketing over WhatsApp, and whodid's first customer.

It has its own database and uses only the public face of whodid. `python -m sendero` runs it.
"""
