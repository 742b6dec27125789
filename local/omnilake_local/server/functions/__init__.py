"""Runs Lambda functions as ``python -m awslambdaric`` processes behind a Lambda Runtime API of our own.

Why not ministack's own executor: it imports the handler in a bundled script instead of AWS's runtime client, so
an error keeps only its text. Retry and Catch by error name, ``stackTrace``, ``Runtime.*`` and ``Sandbox.*``
errors all need the real client. An upstream option to run ``awslambdaric`` for ``python*`` runtimes, as
ministack already does with the Runtime API for ``provided.*``, would make this package unnecessary.
"""
