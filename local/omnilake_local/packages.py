"""Layers as zip files, made once per content.

``sam deploy`` compresses every layer anew each time (half a minute for 400 MB on two cores) to find out that none
changed. It takes a zip file as it is, so for a deployment on this machine the layers are stored in zip files without
compression: a second to write, and nothing to do when their content is that of last time.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from omnilake_local.fingerprint import tree_hash

# SAM writes the built template in block style; the artifact's folder, named after the logical id, is a plain scalar.
_CONTENT_URI = re.compile(r"^(?P<key> +ContentUri: )(?P<folder>\w+)$", re.MULTILINE)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def package_layers(built_template: Path, directory: Path) -> Path:
    """Write each built layer as a zip file into a directory.

    Returns:
        A copy of the template, beside it, that refers to the zip files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = built_template.read_text(encoding="utf-8")

    def refer_to_zip(found: re.Match[str]) -> str:
        layer = built_template.parent / found["folder"]
        return f"{found['key']}{store(layer, directory)}" if layer.is_dir() else found[0]

    packaged = built_template.with_name("template.packaged.yaml")
    packaged.write_text(_CONTENT_URI.sub(refer_to_zip, text), encoding="utf-8")
    return packaged


def store(layer: Path, directory: Path) -> Path:
    """A zip file of a folder: same content, same bytes, same name. Earlier ones of the same folder are removed."""
    content = tree_hash(layer.parent, [layer.name], ignored=frozenset())
    archive = directory / f"{layer.name}-{content[:16]}.zip"
    if archive.is_file():
        return archive
    for old in directory.glob(f"{layer.name}-*.zip*"):
        old.unlink()
    unfinished = archive.with_suffix(".zip.part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as out:
        for file in sorted(path for path in layer.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(file.relative_to(layer).as_posix(), _EPOCH)
            info.external_attr = (0o100755 if file.stat().st_mode & 0o100 else 0o100644) << 16
            out.writestr(info, file.read_bytes())
    unfinished.replace(archive)
    return archive
