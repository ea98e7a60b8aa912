"""boto3 clients of this very server, for the parts of it that act as any AWS client would.

Jobs move their data through the S3 API rather than through ministack's tables, so that everything S3 does on a write
(versions, events, conditional writes) happens.
"""

from __future__ import annotations

import os
import threading
from typing import Any

_lock = threading.Lock()
_clients: dict[tuple[str, str, str, int], Any] = {}


def endpoint_url() -> str:
    """Give the URL this server listens on."""
    return os.environ["AWS_ENDPOINT_URL"]


def job_environment(account: str, region: str) -> dict[str, str]:
    """Give the environment of a subprocess that talks to this server, and to nothing else, with an AWS SDK."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url(),
        # ministack takes a key of twelve digits as the account.
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def client(service: str, account: str, region: str, *, attempts: int = 3) -> Any:
    """Give the boto3 client of a service for this account and region; clients are shared between threads.

    Args:
        service: boto3's name of it.
        account: Twelve digits.
        region: Its name.
        attempts: How often the client makes a call that fails in passing; 1 where somebody else tries again.
    """
    # Creating a client is neither quick nor thread-safe, using one is both.
    with _lock:
        key = (service, account, region, attempts)
        if key not in _clients:
            # boto3 takes longer to import than the server to start.
            import boto3  # noqa: PLC0415 - see above
            from botocore.config import Config  # noqa: PLC0415 - see above

            _clients[key] = boto3.client(
                service,  # type: ignore[call-overload] # the name is only known at run time
                endpoint_url=endpoint_url(),
                region_name=region,
                aws_access_key_id=account,
                aws_secret_access_key="test",  # noqa: S106 - nothing checks it
                config=Config(retries={"total_max_attempts": attempts}, s3={"addressing_style": "path"}),
            )
        return _clients[key]
