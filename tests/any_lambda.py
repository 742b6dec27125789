"""What Lambda hands to a handler beside the event."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def any_context() -> Any:
    return SimpleNamespace(
        function_name="AnyFunction",
        memory_limit_in_mb=1024,
        aws_request_id="any-request",
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:AnyFunction",
        get_remaining_time_in_millis=lambda: 20_000,
    )
