"""What a deployed stack still holds of something."""

from __future__ import annotations

import gzip

from embedded_cloud import Cloud

from omnilake import aws


def bytes_everywhere(cloud: Cloud, word: str) -> list[str]:
    """Keys of all objects of the stack's buckets, in all versions, that hold a word as it is or compressed by gzip."""
    found = []
    for output in ("LakeBucket", "LandingBucket"):
        store = aws.ObjectStore(cloud.outputs[output])
        for each in store.versions(""):
            if each.is_delete_marker:
                continue
            data = store.read(each.key, each.version_id)
            if each.key.endswith(".gz"):
                data = gzip.decompress(data)
            if word.encode() in data or word in each.key:
                found.append(each.key)
    return found
