"""In: a request whose plan lies in the lake.
Out: how many chunks the exact retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.exact import NAME, find

handler = retriever(NAME, find)
