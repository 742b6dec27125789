"""The router's edge: vectors of the routes' examples, made once; what is chosen is decided in ``retrieval.routing``."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omnilake import aws, embedding, layout
from omnilake.configuration import AnsweringConfiguration
from omnilake.models import EmbeddingSpace, InformationRequest
from omnilake.retrieval import routing
from omnilake.retrieval.routing import Routing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


def route_request(
    request: InformationRequest,
    configuration: AnsweringConfiguration,
    deployed: Collection[str],
    space: EmbeddingSpace,
    vector: Sequence[float],
) -> Routing:
    """Decide which retrievers run; see ``retrieval.routing``.

    Args:
        request: checked.
        configuration: in force.
        deployed: names of the retrievers that the deployment has.
        space: of one of the archives: examples are compared in it.
        vector: of the question in that space.
    Raises:
        InvalidRequest, StageFailed: see ``choose_retrievers``.
        RateLimited: the provider that embeds the examples asks to wait.
    """

    def nearness() -> Mapping[str, float]:
        listed = routing.examples(configuration.routes)
        return routing.route_nearness(vector, [name for name, _ in listed], _vectors(space, tuple(listed)))

    return routing.choose_retrievers(request, configuration, deployed, nearness=nearness)


@lru_cache(maxsize=4)
def _vectors(space: EmbeddingSpace, listed: tuple[tuple[str, str], ...]) -> Vectors:
    """Vectors of examples, float32, shape (examples, dimensions): of the lake, or made and kept there."""
    import numpy as np

    key = layout.route_examples(routing.examples_address(space.space_id, listed))
    try:
        kept: Vectors = np.load(io.BytesIO(aws.lake().read(key)), allow_pickle=False)
    except ClientError as error:
        if aws.error_code(error) not in {"NoSuchKey", "404"}:
            raise
    else:
        return kept
    made = embedding.provider_for(space).embed_passages([text for _, text in listed])
    data = io.BytesIO()
    np.save(data, made, allow_pickle=False)
    aws.lake().write(key, data.getvalue())
    return made
