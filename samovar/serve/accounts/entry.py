"""Coming in and going out: login, logout, taking up an invitation. The only routes about people that nobody needs to be logged in for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from samovar.errors import NotFoundError
from samovar.serve import login
from samovar.serve.accounts.shapes import AcceptBody, LoginBody, LoginShape, OfferShape, Ok, TokenBody
from samovar.serve.guard import Need
from samovar.serve.native.answers import failures
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = APIRouter()
Anybody = Annotated[Principal, Depends(Need("public"))]


@router.post("/login", response_model=LoginShape, responses=failures(401, public=True))
async def log_in(request: Request, response: Response, body: LoginBody, caller: Anybody) -> dict[str, Any]:
    """Check name and password and start a session; its token is set as a cookie that scripts cannot read."""
    token, user = await login.log_in(request, body.name, body.password)
    login.set_session_cookie(response, token, request)
    return {"user": user}


@router.post("/logout", response_model=Ok, responses=failures(public=True))
async def log_out(request: Request, response: Response, caller: Anybody) -> Ok:
    """End the session of the cookie."""
    await login.log_out(request)
    login.clear_session_cookie(response, request)
    return Ok()


@router.post("/invitations/check", response_model=OfferShape, responses=failures(404, public=True))
async def check_invitation(request: Request, body: TokenBody, caller: Anybody) -> Any:
    """Tell what an invitation is for."""
    state = state_of(request)
    found = await state.engine.work(lambda: state.store.invitations.find(body.token))
    if found is None:
        raise NotFoundError("there is no such invitation, it was used, or its time is over: ask for another.")
    return found


@router.post("/invitations/accept", response_model=LoginShape, responses=failures(404, 409, public=True))
async def accept_invitation(request: Request, response: Response, body: AcceptBody, caller: Anybody) -> dict[str, Any]:
    """Make the account one was invited to, and log in."""
    state = state_of(request)
    invitations = state.store.invitations
    user = await login.with_passwords(lambda: invitations.accept(body.token, body.name, body.password))
    login.set_session_cookie(response, await login.start_session(request, user), request)
    return {"user": user}
