"""The trunks room: our own registrations with carriers, kept alive, and taken over when their node dies."""
