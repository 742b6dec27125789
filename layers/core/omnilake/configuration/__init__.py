"""How a deployment answers questions: models and their prices, steps, prompts, routes, fusion.

``models``    what a configuration holds
``loading``   the deployment's own from the lake, or the product's (``default.json``)
``prompts/``  templates of the product, by name

The hash of what is in force goes into every answer's versions.
"""

from omnilake.configuration.loading import Loaded, load, product
from omnilake.configuration.models import (
    RERANKERS,
    WRITERS,
    AnsweringConfiguration,
    FusionConfig,
    ModelConfig,
    RetrieverConfig,
    Route,
    Step,
)

__all__ = [
    "RERANKERS",
    "WRITERS",
    "AnsweringConfiguration",
    "FusionConfig",
    "Loaded",
    "ModelConfig",
    "RetrieverConfig",
    "Route",
    "Step",
    "load",
    "product",
]
