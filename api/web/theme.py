# SPDX-License-Identifier: Apache-2.0
"""Light or dark: kept in the browser, for it says nothing about who it is of."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from api.web.links import inside
from api.web.trust import refuse_strangers

router = APIRouter(include_in_schema=False)
_YEAR = 365 * 86400
COOKIE = "gpuopt_theme"
THEMES = ("auto", "light", "dark")


@router.post("/theme")
async def choose(request: Request) -> RedirectResponse:
    """Keep a choice and go back; a choice that there is none of is ``auto``."""
    cookies = request.app.state.web.cookies
    refuse_strangers(request, cookies)
    form = await request.form(max_files=0, max_fields=5)
    wanted, back = str(form.get("theme", "")), str(form.get("next", ""))
    response = RedirectResponse(inside(back), 303)
    response.set_cookie(
        COOKIE,
        wanted if wanted in THEMES else "auto",
        max_age=_YEAR,
        secure=cookies.secure(request),
        httponly=True,
        samesite="lax",
    )
    return response
