"""An embedded cloud for one machine: AWS APIs on one loopback port, real Lambda processes, a real ASL interpreter.

ministack serves the APIs, ``python -m awslambdaric`` runs each function, and moto's Amazon States Language
interpreter runs each state machine. This package joins the three and corrects what the project relies on;
each correction lives in a module that says which upstream change would make it unnecessary.

Run with ``python -m omnilake_local.server``.
"""
