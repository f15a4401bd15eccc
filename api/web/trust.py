# SPDX-License-Identifier: Apache-2.0
"""Forms: only those that this service itself has shown are taken."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from fastapi import Request
from markupsafe import Markup
from starlette.datastructures import UploadFile

from api.http.problems import ProblemError
from api.web.session import Cookies

FIELD = "csrf"
HEADER = "X-CSRF-Token"
_MOST_FIELDS = 200
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def field(token: str) -> Markup:
    """Return the field of a form that holds the token."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token)


def refuse_strangers(request: Request, cookies: Cookies) -> None:
    """Refuse a form that another site sent.

    Browsers say where a form is from in ``Origin`` and ``Sec-Fetch-Site``; a program that
    says neither has no other site's pages, and is held to the token alone.

    Raises
    ------
    ProblemError
        If it is from elsewhere.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if (origin is not None and origin != cookies.origin(request)) or (
        site is not None and site not in {"same-origin", "none"}
    ):
        raise ProblemError(
            "forbidden",
            "the form was sent from another site. To mend it: use the pages of this service, "
            "and behind a proxy have the operator set GPUOPT_PUBLIC_URL",
        )


async def read_form(request: Request, token: str) -> Mapping[str, str]:
    """Return the fields of a form; of one that is sent twice, the last.

    Raises
    ------
    ProblemError
        If it is no form, or lacks the session's token.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields: dict[str, str] = {}
    if kind in _FORMS:
        form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
        fields = {k: v for k, v in form.multi_items() if not isinstance(v, UploadFile)}
    elif request.headers.get("content-length", "0") != "0":
        raise ProblemError(
            "media-type", f"the body is '{kind[:60]}', not a form. To mend it: send a form"
        )
    given = request.headers.get(HEADER) or fields.pop(FIELD, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise ProblemError(
            "forbidden",
            "the form is not of this session. To mend it: go back, load the page again, and "
            "send the form again",
        )
    return fields
