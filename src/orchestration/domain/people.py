"""Who somebody is, as far as AWS proves it: two sessions of one person are one person. Pure.

A session name proves a person only where the caller cannot choose it. Sources: IAM User Guide, "Monitor and control actions
taken with assumed roles" (the caller chooses ``RoleSessionName``, unless the role's trust policy pins it); IAM Identity Center
User Guide, "Referencing permission sets" (its roles begin with ``AWSReservedSSO_`` and cannot be changed in the account), and
``sso:GetRoleCredentials``, which takes no session name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_CALLER: Final = re.compile(
    r"arn:([a-z-]{3,20}):(iam|sts)::(\d{12}):([A-Za-z-]{4,20})(?:/([\x21-\x7e]{1,700}))?", re.ASCII
)
_IDENTITY_CENTER: Final = re.compile(r"AWSReservedSSO_[\w+=,.@-]{1,200}_[0-9a-f]{16}")


class ProvenBy(StrEnum):
    """What says that a caller is this person; the words the evidence uses."""

    USER = "IAM user"
    IDENTITY_CENTER = "Identity Center user"
    VOTER_ROLE = "session of a role whose trust policy pins its name"
    ROLE = "role, whoever used it"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever AWS says a caller is. ``name`` is the same for every session of the same person; ``arn`` is the caller's own."""

    name: str
    proven_by: ProvenBy
    arn: str


def person_of(arn: str, voter_roles: Iterable[str]) -> Person | None:
    """The person behind a caller's ARN, None where it is the ARN of nobody.

    Args:
        arn: what GetCallerIdentity, or Lambda for a signed request of its URL, says.
        voter_roles: ARNs of the roles whose trust policy pins the session name.
    """
    matched = _CALLER.fullmatch(arn)
    if matched is None:
        return None
    partition, service, account, kind, rest = matched.groups()
    role, _, session = (rest or "").partition("/")
    if (service, kind) == ("iam", "user") and rest:
        return Person(arn, ProvenBy.USER, arn)
    if (service, kind, rest) == ("iam", "root", None):
        return Person(arn, ProvenBy.ACCOUNT, arn)
    if (service, kind) == ("sts", "federated-user") and rest:
        # Whoever calls GetFederationToken chooses the name.
        return Person(f"arn:{partition}:sts::{account}:federated-user", ProvenBy.ROLE, arn)
    if (service, kind) != ("sts", "assumed-role") or not role or not session:
        return None
    if _is_of_identity_center(role):
        # One user has a role for each permission set.
        return Person(f"{session} (Identity Center, account {account})", ProvenBy.IDENTITY_CENTER, arn)
    if (account, role) in {_bare(voter_role) for voter_role in voter_roles}:
        return Person(arn, ProvenBy.VOTER_ROLE, arn)
    return Person(f"arn:{partition}:sts::{account}:assumed-role/{role}", ProvenBy.ROLE, arn)


def may_be_one(name: str, other: str) -> bool:
    """Whether two names may be one person's: the same, or a role and a session of it.

    A role's sessions have one name until the role is named in VoterRoles, and then a name each: whoever approved before may come again.
    """
    return name == other or any(
        ":assumed-role/" in role and session.startswith(f"{role}/") for role, session in ((name, other), (other, name))
    )


def called(name: str) -> str:
    """What a person is called in a sentence: of an ARN what stands behind the account, such as ``user/ana``."""
    return name.rpartition(":")[2] if _CALLER.fullmatch(name) else name


def is_listed(arn: str, principals: Iterable[str]) -> bool:
    """Whether a caller is one of these.

    Args:
        arn: what GetCallerIdentity says.
        principals: ARNs of roles and users, ``*`` for any characters. A session's ARN leaves its role's path out, so a role
            is compared by account and name. Names are unique whatever the path; where one has a ``*``, the path would say
            whose they are, and nobody knows it: only roles named as Identity Center's count then.
    """
    matched = _CALLER.fullmatch(arn)
    if matched is None:
        return False
    _, service, account, kind, rest = matched.groups()
    name = rest or ""
    if (service, kind) == ("sts", "assumed-role"):
        kind, name = "role", name.partition("/")[0]
    return any(
        (account, kind) == (of, what) and (_is_role(name, listed) if what == "role" else fnmatchcase(name, listed))
        for of, what, listed in map(_parts, principals)
    )


def _is_role(name: str, listed: str) -> bool:
    path, _, last = listed.rpartition("/")
    if "*" in last and path not in {"", "*"}:
        return f"{path}/".startswith("aws-reserved/") and _is_of_identity_center(name) and fnmatchcase(name, last)
    return fnmatchcase(name, last)


def _is_of_identity_center(role: str) -> bool:
    return _IDENTITY_CENTER.fullmatch(role) is not None


def _parts(principal: str) -> tuple[str, str, str]:
    """Account, kind and path with name of the ARN of a role or user."""
    _, _, rest = principal.partition("::")
    account, _, resource = rest.partition(":")
    kind, _, name = resource.partition("/")
    return account, kind, name


def _bare(role_arn: str) -> tuple[str, str]:
    """Account and name of a role; a session's ARN leaves its path out."""
    account, _, path = _parts(role_arn)
    return account, path.rsplit("/", 1)[-1]
