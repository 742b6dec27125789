"""Removal of entries, with proof: the ``remove_entries`` workflow, in the order of its states.

``requests``  what is to be removed; its job and its execution
``marking``   which versions there are, once no job works on them any more: the plan
``objects``   what S3 and the tables hold of them
``proof``     looking everywhere again, and the receipt

The rows of the store and of its backups are taken out by the store's one committer (:mod:`omnilake.stores.erasure`).

A removal takes what came before it was asked for. What comes later under the same identity is a new version. Answers
that were given before keep their quotes; what they cite is gone.
"""
