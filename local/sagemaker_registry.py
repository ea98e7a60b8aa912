"""Model packages and their groups: kept by moto, with the checks and events of AWS around it."""

from __future__ import annotations

import re
from collections.abc import Callable

from local import sagemaker_events
from local.sagemaker_records import ApiError, Document, arn, validation_error

_Call = Callable[[str, Document], Document]
_VERSION = re.compile(r":model-package/[^/]+/\d+$")


class Registry:
    """The model registry.

    Args:
        moto: Calls an action of moto's SageMaker.
    """

    def __init__(self, moto: _Call) -> None:
        self._moto = moto
        self._deleted: set[str] = set()
        self._deleted_groups: set[str] = set()

    def create_group(self, request: Document) -> Document:
        """CreateModelPackageGroup; moto would replace a group of that name."""
        name = request["ModelPackageGroupName"]
        if self._group_exists(name):
            raise validation_error(f"Model Package Group already exists: {arn('model-package-group', name)}")
        self._deleted_groups.discard(name)
        return self._moto("CreateModelPackageGroup", request)

    def delete_group(self, request: Document) -> Document:
        """DeleteModelPackageGroup of one without versions; moto cannot, so it is only no longer there for packages."""
        name = request["ModelPackageGroupName"]
        if not self._group_exists(name):
            raise validation_error(f"Model Package Group {name} does not exist.")
        if self.list_packages({"ModelPackageGroupName": name})["ModelPackageSummaryList"]:
            raise ApiError("ConflictException", f"Model Package Group {name} has versions.")
        self._deleted_groups.add(name)
        return {}

    def list_groups(self, request: Document) -> Document:
        """ListModelPackageGroups, without the deleted ones."""
        answer = self._moto("ListModelPackageGroups", request)
        listed = answer["ModelPackageGroupSummaryList"]
        answer["ModelPackageGroupSummaryList"] = [
            group for group in listed if group["ModelPackageGroupName"] not in self._deleted_groups
        ]
        return answer

    def create_package(self, request: Document) -> Document:
        """CreateModelPackage: the next version in its group."""
        group = request.get("ModelPackageGroupName")
        if group and not self._group_exists(group.rpartition("/")[2]):
            raise ApiError("ResourceNotFound", f"Model Package Group {group} does not exist.")
        answer = self._moto("CreateModelPackage", request)
        self._emit(answer["ModelPackageArn"], [])
        return answer

    def describe_package(self, request: Document) -> Document:
        """DescribeModelPackage, by ARN or, for a package without a group, by name."""
        name = request["ModelPackageName"]
        # moto answers with the latest version for a group's name; AWS does not know a package of that name.
        versioned = _VERSION.search(name) or not self._group_exists(name)
        if name in self._deleted or not versioned:
            raise validation_error(f"ModelPackage {name} does not exist.")
        return self._moto("DescribeModelPackage", request)

    def update_package(self, request: Document) -> Document:
        """UpdateModelPackage, and the event that tells what was changed."""
        if request["ModelPackageArn"] in self._deleted:
            raise validation_error(f"ModelPackage {request['ModelPackageArn']} does not exist.")
        answer = self._moto("UpdateModelPackage", request)
        changed = [member for member in request if member not in ("ModelPackageArn", "ClientToken")]
        self._emit(request["ModelPackageArn"], changed)
        return answer

    def delete_package(self, request: Document) -> Document:
        """DeleteModelPackage; moto cannot, so the package is only no longer shown."""
        self.describe_package(request)
        self._deleted.add(request["ModelPackageName"])
        return {}

    def list_packages(self, request: Document) -> Document:
        """ListModelPackages, without the deleted ones."""
        answer = self._moto("ListModelPackages", request)
        listed = answer["ModelPackageSummaryList"]
        answer["ModelPackageSummaryList"] = [p for p in listed if p["ModelPackageArn"] not in self._deleted]
        return answer

    def reset(self) -> None:
        """Forget which packages and groups were deleted."""
        self._deleted.clear()
        self._deleted_groups.clear()

    def _group_exists(self, name: str) -> bool:
        if name in self._deleted_groups:
            return False
        try:
            self._moto("DescribeModelPackageGroup", {"ModelPackageGroupName": name})
        except ApiError:
            return False
        return True

    def _emit(self, package_arn: str, changed: list[str]) -> None:
        package = self._moto("DescribeModelPackage", {"ModelPackageName": package_arn})
        sagemaker_events.model_package_changed(package, changed)
