"""The embedded cloud: AWS on 127.0.0.1, without a container engine, an account or a key. Never shipped.

``server``                          the services; runs in an environment of its own
``lifecycle``                       up, down, status; the rooms below are its parts
``paths host errors``               where things are, what the machine is, what can go wrong
``environments server_process``     virtual environments; the server as a process
``samconfig fingerprint deployment``  the real SAM build and deploy, only when something changed
``cloud``                           :func:`~omnilake_local.cloud.connect`, for whoever uses a running cloud
``logs``                            function logs and the server's
``diagram console``                 a state machine as a picture; the page to inspect executions
"""
