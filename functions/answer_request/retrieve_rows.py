"""In: a request whose plan lies in the lake.
Out: how many chunks the rows retriever made of tables; they lie beside the plan."""

from omnilake.retrieval import retriever
from omnilake.retrieval.rows import NAME, find

handler = retriever(NAME, find)
