# SPDX-License-Identifier: Apache-2.0
"""AWS's wire formats, from botocore's service models; an answer that breaks them fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

_SESSION = botocore.session.get_session()
_MODELS: dict[str, Any] = {}


def operation(service: str, name: str) -> Any:
    """The model of an operation."""
    if service not in _MODELS:
        _MODELS[service] = _SESSION.get_service_model(service)
    return _MODELS[service].operation_model(name)


def validate(service: str, name: str, answer: Mapping[str, Any]) -> None:
    """Fail if an answer is not of the shape that the service model states."""
    shape = operation(service, name).output_shape
    report = ParamValidator().validate(dict(answer), shape)
    assert not report.has_errors(), f"{service}.{name}: {report.generate_report()}"


def to_json(answer: Any) -> bytes:
    """An answer as a JSON service writes it."""
    return json.dumps(answer, default=_time).encode()


def _time(value: Any) -> float:
    assert isinstance(value, datetime), value
    return value.timestamp()


def to_xml(service: str, name: str, answer: Mapping[str, Any]) -> bytes:
    """An answer as EC2 (no result element) or STS (one) writes it."""
    shape = operation(service, name).output_shape
    inner = _members(shape, answer)
    if service != "ec2":
        inner = f"<{name}Result>{inner}</{name}Result>"
    return f'<?xml version="1.0"?><{name}Response>{inner}</{name}Response>'.encode()


def _members(shape: Shape, answer: Mapping[str, Any]) -> str:
    parts = []
    for key, member in shape.members.items():
        if key in answer:
            tag = member.serialization.get("name", key)
            parts.append(f"<{tag}>{_value(member, answer[key])}</{tag}>")
    return "".join(parts)


def _value(shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return _members(shape, value)
    if shape.type_name == "list":
        tag = shape.member.serialization.get("name", "item")
        return "".join(f"<{tag}>{_value(shape.member, item)}</{tag}>" for item in value)
    if shape.type_name == "timestamp":
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return escape(repr(value) if isinstance(value, float) else str(value))


def parse_query(body: bytes) -> dict[str, Any]:
    """The parameters of an EC2 or STS request; numbered ones become lists."""
    found: dict[str, Any] = {}
    for key, value in parse_qsl(body.decode(), keep_blank_values=True):
        at = found
        parts = key.split(".")
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = value
    return {key: _lists(value) for key, value in found.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(part) for key, part in value.items()}
