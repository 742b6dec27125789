"""Builds the Lambda layers for a target that need not be the host.

``sam build`` calls the Makefile of a layer, which calls ``python3 -m layer_builder <layer> <directory>``. Wheels are
installed by uv for the target's Python version and platform, so neither Docker nor a matching interpreter is needed.
Only the standard library is used here; what a build step needs beyond it runs in a build environment of its own
(see :mod:`layer_builder.environment`).

======================  ==============================================================================
``targets``             for which Python version and platform a layer is built
``uv``                  finding and running uv
``packages``            locked requirements, installing them, leaving out what a function never reads
``native``              leaving debug information out of native libraries
``bytecode``            compiling for the target's Python version
``cache``               content-addressed results kept between builds
``environment``         virtual environments for build steps that need third-party packages
``layers``              what each layer consists of
======================  ==============================================================================
"""
