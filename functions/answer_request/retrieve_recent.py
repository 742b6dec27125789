"""In: a request whose plan lies in the lake.
Out: how many chunks the recent retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.recent import NAME, find

handler = retriever(NAME, find)
