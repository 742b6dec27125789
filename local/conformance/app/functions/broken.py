"""A handler module that cannot be imported."""

import no_such_module


def handler(event: object, context: object) -> object:
    """Never reached."""
    return no_such_module.answer(event, context)
