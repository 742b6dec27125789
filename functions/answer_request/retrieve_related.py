"""In: a request whose plan lies in the lake.
Out: how many chunks the related retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.related import NAME, find

handler = retriever(NAME, find)
