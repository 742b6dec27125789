"""tiktoken's rank files (cl100k_base, o200k_base), so that counting tokens needs no network.

The layer's build adds the files under the names of tiktoken's own cache; tiktoken checks their SHA-256 when it reads
them. Set ``TIKTOKEN_CACHE_DIR`` to :data:`CACHE_DIR` before an encoding is first asked for.
"""

from pathlib import Path

CACHE_DIR = str(Path(__file__).parent)
"""Directory for ``TIKTOKEN_CACHE_DIR``."""
