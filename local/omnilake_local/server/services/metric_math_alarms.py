"""Alarms on metric math are kept, but not evaluated.

ministack's provisioner refuses ``AWS::CloudWatch::Alarm`` with ``Metrics``, and with it the whole stack. Here such an
alarm is stored under the name of its expression, in a namespace that nothing writes to: it is listed and described, and
stays as ``TreatMissingData`` says. Unnecessary once ministack takes ``Metrics``.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

_NAMESPACE = "MetricMathIsNotEvaluatedHere"


def install() -> None:
    """Let the provisioner take alarms with ``Metrics``."""
    record = provisioners._cw_metric_alarm_record

    def record_with_math(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        queries = properties.get("Metrics")
        if queries:
            returned = next(each for each in queries if str(each.get("ReturnData", True)).lower() != "false")
            properties = {key: value for key, value in properties.items() if key != "Metrics"}
            properties |= {"Namespace": _NAMESPACE, "MetricName": str(returned.get("Expression", returned["Id"]))}
        described: dict[str, Any] = record(name, properties)
        return described

    provisioners._cw_metric_alarm_record = record_with_math
