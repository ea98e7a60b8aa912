"""Run taskcat's tests through its Python API; this file alone runs in .venv-taskcat.

    .venv-taskcat/bin/python ops/taskcat_run.py build/taskcat

taskcat's command line ends with a report that fetches a style sheet from the network; its API does not.
"""

from __future__ import annotations

import sys

import boto3
from taskcat._client_factory import Boto3Cache
from taskcat.testing import CFNTest


def _session_of_whoever_is_signed_in(
    cache: Boto3Cache, profile: str = "default", region: str | None = None
) -> boto3.Session:
    """A session from the environment, as every other tool takes it; taskcat wants a profile named ``default``."""
    del cache, profile
    return boto3.Session(region_name=region)


def main(project_root: str) -> int:
    """Deploy and delete; exit status 0 when every stack was made and removed."""
    Boto3Cache.session = _session_of_whoever_is_signed_in
    test = CFNTest.from_file(project_root=project_root, input_file=".taskcat.yml")
    test.dont_wait_for_delete = False
    test.lint_disable = True  # make taskcat has linted
    passed = True
    with test as stacks:
        for stack in stacks:
            made = stack.status == "CREATE_COMPLETE"
            passed = passed and made
            print(f"{'ok    ' if made else 'FAILED'} {stack.test_name} {stack.region_name} {stack.status} {stack.name}")
            for event in [] if made else stack.error_events(refresh=True):
                # This environment has no terminal of ours: quoted, a reason can be nothing but text.
                print(f"       {event.logical_id}: {event.status_reason!r}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
