"""In: a request whose plan lies in the lake.
Out: how many chunks the everything retriever found; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.everything import NAME, find

handler = retriever(NAME, find)
