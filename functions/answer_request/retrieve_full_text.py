"""In: a request whose plan lies in the lake.
Out: how many chunks the full_text retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.full_text import NAME, find

handler = retriever(NAME, find)
