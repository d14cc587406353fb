"""Who asks: everyone, and the groups that a proxy in front vouches for.

Any client can send any header. So no header counts unless the operator names it, and who names one sees to it that
the proxy sets or removes it on each request, and that nobody reaches the server but through the proxy.
"""

from __future__ import annotations

import base64
import json

from starlette.datastructures import Headers

from ..schema import EVERYONE, SEPARATOR
from .protection import RefusedError

# How Easy Auth (App Service, Container Apps) tells a user's claims: JSON in base64.
EASY_AUTH = "x-ms-client-principal"
CLAIMS = ("groups", "roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
# More are a mistake, and would make a query of a search service too long.
MOST, LONGEST = 200, 256


def groups(headers: Headers, name: str | None) -> tuple[str, ...]:
    """The groups of who sent a request; `name` is the header that tells them, comma-separated or Easy Auth's.

    Raises:
        RefusedError: the header came twice, so that a client may have sent one of them, or makes no sense.
    """
    values = headers.getlist(name) if name else []
    if len(values) > 1:
        raise RefusedError(400, f"the header {name} came {len(values)} times: the proxy has to replace it")
    found = [group.strip() for value in values for group in _listed(name or "", value)]
    if len(found) > MOST or any(len(group) > LONGEST for group in found):
        raise RefusedError(400, f"the header {name} names too many groups, or too long ones")
    return (EVERYONE, *sorted({group for group in found if group} - {EVERYONE}))


def _listed(name: str, value: str) -> list[str]:
    if name.lower() != EASY_AUTH:
        return value.split(SEPARATOR)
    try:
        claims = json.loads(base64.b64decode(value, validate=True))["claims"]
        return [str(claim["val"]) for claim in claims if claim["typ"] in CLAIMS]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(400, f"the header {name} is not what Easy Auth sends") from error
