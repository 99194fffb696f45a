"""``python -m samovar``: the same as the ``samovar`` command."""

from __future__ import annotations

import sys

from samovar.cli import main

if __name__ == "__main__":
    sys.exit(main())
