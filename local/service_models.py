"""botocore's models of the services, by one loader for all parts of this server."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from botocore.loaders import JSONFileLoader, Loader
from botocore.model import ServiceModel

if TYPE_CHECKING:
    from collections.abc import Sequence


@functools.cache
def service_model(name: str) -> ServiceModel:
    """Give the model of a service by boto3's name.

    Raises:
        UnknownServiceError: botocore has none.
    """
    return ServiceModel(_loader().load_service_model(name, "service-2"), name)


@functools.cache
def _loader() -> Loader:
    return Loader()


def read_files_once() -> None:
    """Have botocore of this process read each of its files and folders once, whichever session asks.

    Not in the server: the client of S3 takes the bucket out of the paths of the model that it was made of, and the server
    knows calls by their paths.
    """
    load = JSONFileLoader._load_file  # type: ignore[attr-defined] # private, and absent from the stubs
    read = functools.cache(lambda path, opener: load(JSONFileLoader(), path, opener))

    def load_once(_: JSONFileLoader, path: str, opener: Any) -> Any:
        return read(path, opener)

    JSONFileLoader._load_file = load_once  # type: ignore[attr-defined] # same

    # The client of a service is made of three files, and for each botocore looks through all its folders.
    look = Loader.list_available_services
    listed = functools.cache(lambda folders, kind: look(_of(folders), kind))

    def list_once(loader: Loader, type_name: str) -> Any:
        return listed(tuple(loader.search_paths), type_name)

    Loader.list_available_services = list_once  # type: ignore[method-assign, assignment] # what this function is for


def _of(folders: Sequence[str]) -> Loader:
    return Loader(extra_search_paths=folders, include_default_search_paths=False)
