"""Text to chunks: along what the document is, sized in tokens of the embedding model.

Each way of cutting has its module and says one thing: which *blocks* a document has, in which a chunk should end, and
in which not. One packer then fills chunks with whole blocks, and cuts only what is longer than a chunk.

``structure``     sections, paragraphs, lists and tables (:class:`~omnilake.models.Processor` prose)
``conversation``  windows of messages by thread and pause
``transcript``    windows of whole turns
``code``          definitions, along their nesting
``rows``          whole rows of one table; what describes the table apart from them
``fixed``         windows of equal size, whatever the text is (only when asked for)

``documents``     :func:`chunk`: from a document to spans
``parents``       the larger spans that chunks lie in
``blocks``        what the ways of cutting tell the packer
``packing``       blocks to spans of at most so many tokens
``boundaries``    where long text may be cut
``tokens``        the text tokenised once, in windows
``spans``         spans, and chunks of an entry made of them
"""

from omnilake.chunking.documents import chunk
from omnilake.chunking.spans import ChunkSpan, chunk_id, to_chunks
from omnilake.chunking.tokens import Encode

__all__ = ["ChunkSpan", "Encode", "chunk", "chunk_id", "to_chunks"]
