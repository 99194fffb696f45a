"""What the server remembers: accounts, sessions, keys, conversations, feedback, uploads. Knows nothing about HTTP or models."""
