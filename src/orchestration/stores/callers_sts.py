"""Who makes a call, from STS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from orchestration.domain.caller_proof import HEADER
from orchestration.domain.errors import TransientServiceError

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ARN: Final = re.compile(r"<Arn>(arn:[^<>&]{1,1000})</Arn>")

UNDERSTOOD: Final = frozenset({400, 403})
"""Answers by which STS refuses a request: badly signed, expired, by nobody it knows."""


class Callers:
    """Has STS answer the presigned requests of callers."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def arn_of(self, proof: str, bound_to: str) -> str | None:
        """ARN of whoever signed a presigned GetCallerIdentity, None where STS refuses it.

        Args:
            proof: its query string; the address it goes to is this function's own.
            bound_to: value of the header it was signed with.

        Raises:
            TransientServiceError: STS did not answer.
        """
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - only people's requests need them
        from botocore.exceptions import HTTPClientError  # noqa: PLC0415 - as above
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - as above

        request = AWSRequest(
            "GET", f"{self._client.meta.endpoint_url}/?{proof}", headers={HEADER: bound_to, "Accept": "text/xml"}
        )
        try:
            answer = URLLib3Session(timeout=8).send(request.prepare())
        except HTTPClientError as error:
            raise TransientServiceError(f"STS does not answer: {type(error).__name__}. Ask again.") from None
        if answer.status_code in UNDERSTOOD:
            return None
        if answer.status_code != 200:  # noqa: PLR2004 - what HTTP calls OK
            raise TransientServiceError(f"STS answers {answer.status_code}. Ask again.")
        found = _ARN.search(answer.text)
        if found is None:
            raise TransientServiceError("STS answers, and names nobody. Ask again.")
        return str(found[1])
