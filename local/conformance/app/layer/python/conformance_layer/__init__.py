"""Content of the shared layer."""

LABEL = "from the layer"
