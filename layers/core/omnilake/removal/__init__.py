"""Removal of entries, with proof: the ``remove_entries`` workflow, in the order of its states.

``requests``  what is to be removed; its job and its execution
``marking``   which versions there are, once no job works on them any more: the plan
``objects``   what S3 and the tables hold of them
``proof``     looking everywhere again, and the receipt
``deletion``  of a whole archive: when all its entries are removed, it goes itself

The rows of the store and of its backups are taken out by the store's one committer (:mod:`omnilake.stores.erasure`).

A removal takes what came before it was asked for. What comes later under the same identity is a new version. Answers
that were given before keep their quotes; what they cite is gone.

An archive is deleted with its entries by the same workflow. It is closed first: it takes nothing in any more, and the
jobs that work on it are waited for. Then its entries go in rounds, each as a removal of its own with its receipt, so
that whatever ends the deletion early leaves an archive that is whole but for what the receipts name (and one round that
had begun); it takes documents in again then. With the last entry the archive goes.
"""
