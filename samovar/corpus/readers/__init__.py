"""One module per format: ``read(blob, job)`` yields what is in it. Heavy libraries are imported inside the
functions."""
