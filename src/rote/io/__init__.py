"""File access: writes are atomic, and reads treat every file as untrusted."""
