"""Phones of the restart scenarios: SIP over UDP, TCP and TLS with real timers, each call with its own belief. No audio."""
