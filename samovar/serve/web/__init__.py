"""The web app for people, on NiceGUI. `install` puts it into the server's application; pages are in `pages/`."""

from __future__ import annotations

from fastapi import FastAPI

from samovar.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Add pages, static files and the live socket to the application."""
    from samovar.serve.web.life import install_life
    from samovar.serve.web.page import ROUTER
    from samovar.serve.web.pages import register
    from samovar.serve.web.toolkit import install_toolkit

    register()
    app.include_router(ROUTER)
    install_toolkit(app)
    install_life(app)
