"""The commands of the ``samovar`` program, one module per command or group: parse, call one function, print."""
