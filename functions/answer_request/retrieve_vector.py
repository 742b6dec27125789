"""In: a request whose plan lies in the lake.
Out: how many chunks the vector retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.vector import NAME, find

handler = retriever(NAME, find)
