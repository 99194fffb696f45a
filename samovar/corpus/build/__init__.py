"""See the package docstring of `samovar.corpus`."""
