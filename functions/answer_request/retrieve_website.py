"""In: a request whose plan lies in the lake.
Out: how many chunks of web pages the website retriever fetched; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.website import NAME, find

handler = retriever(NAME, find)
