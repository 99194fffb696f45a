"""Pieces of pages: from records to safe HTML. They know records and words, no server and no NiceGUI."""
