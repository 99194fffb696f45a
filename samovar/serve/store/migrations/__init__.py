"""Migrations of the server's database, run by `samovar.serve.store.migration`."""
