"""The AWS CLI in this process: the same program without its start, which takes four times as long as most of its commands."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from unittest.mock import patch

from awscli.clidriver import create_clidriver
from awscli.customizations.cloudformation import yamlhelper

from ops import template
from ops.project import ROOT
from ops.stack_deployment import DeploymentError

# Reads the same in less time.
yamlhelper.SafeLoaderWrapper = template.Loader


def aws(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What ``ops.stack_deployment.aws`` does.

    Raises:
        DeploymentError: exit status other than 0.
    """
    printed, said = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environment or {}), chdir(ROOT), redirect_stdout(printed), redirect_stderr(said):
        if "deploy" in arguments:
            # The CLI names a change set by the second, and CloudFormation takes a name once.
            time.sleep(1 - time.time() % 1)
        status = create_clidriver().main(list(arguments))
    if status != 0:
        raise DeploymentError(
            f"aws {' '.join(arguments[:2])} failed: {(said.getvalue() or printed.getvalue()).strip()}"
        )
    return printed.getvalue()
