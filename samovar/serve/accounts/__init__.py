"""Routes of the native API about people: logging in, one's own account, sessions and keys, users and invitations, OpenID Connect."""
