"""Layer archives on disk instead of in Lambda's saved state.

ministack keeps function code as files beside its state but writes each layer's archive, perhaps 100 MB, as
base64 into one JSON document, which makes every stop and start take seconds. Unnecessary once layers use its
``lambda-blobs`` too.
"""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

_ARCHIVE, _REFERENCE = "_zip_data", "_zip_reference"


def _folder() -> Path:
    return Path(lambda_svc.CODE_BLOB_DIR).with_name("layer-archives")


def _save() -> dict[str, Any]:
    archives = [
        (version, version.pop(_ARCHIVE))
        for layer in lambda_svc._layers._data.values()
        for version in layer["versions"]
        if version.get(_ARCHIVE)
    ]
    folder, kept = _folder(), set()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for version, archive in archives:
            name = hashlib.sha256(archive).hexdigest()
            version[_REFERENCE] = name
            kept.add(name)
            path = folder / name
            if not path.exists():
                partial = path.with_suffix(".partial")
                partial.write_bytes(archive)
                partial.replace(path)
        state: dict[str, Any] = _save_upstream()
        state["layers"] = copy.deepcopy(lambda_svc._layers)
    finally:
        for version, archive in archives:
            version.pop(_REFERENCE, None)
            version[_ARCHIVE] = archive
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    return state


def _restore(data: dict[str, Any] | None) -> None:
    _restore_upstream(data)
    for layer in lambda_svc._layers._data.values():
        for version in layer["versions"]:
            name = version.pop(_REFERENCE, None)
            if name:
                version[_ARCHIVE] = (_folder() / name).read_bytes()


_save_upstream = lambda_svc.get_state
_restore_upstream = lambda_svc._restore_state


def install() -> None:
    """Replace Lambda's saving and restoring."""
    lambda_svc.get_state = _save
    lambda_svc._restore_state = _restore
