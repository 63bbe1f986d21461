"""A stand-in for the three providers: Terraform itself plans and applies against it, without a network or a cloud.

It speaks as much of Terraform's plugin protocol, version 5, as `apply` needs, with the schema of `schema.json`
(https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol). It keeps what it is given and makes up
what a cloud would answer; it refuses nothing, so it shows what Terraform makes of our files, not what Google thinks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
import msgspec

Schema = Mapping[str, Any]
State = dict[str, Any]

UNKNOWN = msgspec.msgpack.Ext(0, b"\x00")
"""How Terraform writes a value that is known only after apply."""

REPLACED_BY = {
    "google_storage_bucket_object": ("name", "bucket"),
    "google_secret_manager_secret_version": ("secret", "secret_data_wo_version"),
    "google_firestore_database": ("name", "location_id"),
    "google_compute_address": ("name", "region"),
}
"""Arguments whose change makes a new resource, where a test looks at that."""


@contextmanager
def serving(schema: Schema) -> Iterator[dict[str, str]]:
    """Serve the providers on a free port of this machine.

    Yields:
        The environment that makes Terraform use them.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin5.Provider", _handlers(schema))])
    server.start()
    try:
        address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
        plugin = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
        names = [f"hashicorp/{name}" for name in ("archive", "google", "time")]
        yield {"TF_REATTACH_PROVIDERS": json.dumps(dict.fromkeys(names, plugin))}
    finally:
        server.stop(None).wait()


def _handlers(schema: Schema) -> dict[str, Any]:
    resources, data = schema["resources"], schema["data"]
    wire_schema = _message(
        (1, _schema({})),
        *((2, _message((1, name), (2, _schema(spec)))) for name, spec in resources.items()),
        *((3, _message((1, name), (2, _schema(spec)))) for name, spec in data.items()),
    )

    def plan(request: Request) -> bytes:
        kind, prior, proposed = request.text(1), request.value(2), request.value(3)
        if proposed is None:  # destroy
            return _message((1, _value(None)))
        spec = resources[kind]
        changed = [name for name in REPLACED_BY.get(kind, ()) if prior and prior[name] != proposed[name]]
        _fill(spec, proposed, lambda _name, _type: UNKNOWN)
        return _message((1, _value(proposed)), *((2, _message((1, _message((1, name))))) for name in changed))

    def apply(request: Request) -> bytes:
        kind, planned = request.text(1), request.value(3)
        if planned is not None:
            _fill(resources[kind], planned, lambda name, type_: _made_up(planned, name, type_))
        return _message((1, _value(planned)))

    def read_data(request: Request) -> bytes:
        kind, state = request.text(1), request.value(2)
        content = json.dumps(state.get("source"), sort_keys=True)
        _fill(data[kind], state, lambda name, type_: _made_up(state, name, type_, salt=content))
        return _message((1, _value(state)))

    answers: dict[str, Callable[[Request], bytes]] = {
        "GetSchema": lambda _: wire_schema,
        "PrepareProviderConfig": lambda request: _message((1, request.raw(1))),
        "Configure": lambda _: b"",
        "ValidateResourceTypeConfig": lambda _: b"",
        "ValidateDataSourceConfig": lambda _: b"",
        "UpgradeResourceState": lambda request: _message((1, _value(json.loads(Request(request.raw(3)).raw(1))))),
        "ReadResource": lambda request: _message((1, request.raw(2))),
        "PlanResourceChange": plan,
        "ApplyResourceChange": apply,
        "ReadDataSource": read_data,
        "Stop": lambda _: b"",
    }
    return {
        method: grpc.unary_unary_rpc_method_handler(lambda body, _context, answer=answer: answer(Request(body)))
        for method, answer in answers.items()
    }


def _fill(spec: Schema, value: State, make: Callable[[str, str], object]) -> None:
    """Give each argument that the cloud decides a value, in place; forget what is write-only."""
    for name, attribute in spec.get("attributes", {}).items():
        if name.endswith("_wo"):
            value[name] = None
        elif attribute.get("computed") and (value.get(name) is None or value[name] == UNKNOWN):
            value[name] = make(name, attribute["type"])
    for name, block in spec.get("blocks", {}).items():
        inner = value.get(name)
        for item in inner if isinstance(inner, list) else [inner] if inner else []:
            _fill(block, item, make)


def _made_up(state: State, name: str, type_: str, salt: str = "") -> object:
    """What the cloud would answer: recognizable, and the same for the same resource."""
    names = ("name", "account_id", "secret_id", "repository_id")
    known = next((state[key] for key in names if isinstance(state.get(key), str)), "")
    if type_ == "string" and name.startswith("output_"):
        return hashlib.sha256(salt.encode()).hexdigest()
    if type_ == "string":
        version = state.get("secret_data_wo_version")
        return {"uri": f"https://{known}.run.app", "version": str(version)}.get(name, f"{name} of {known}")
    return {"number": 1, "bool": False, "map(string)": {}}.get(type_, [])


def _schema(spec: Schema) -> bytes:
    return _message((2, _block(spec)))


def _block(spec: Schema) -> bytes:
    attributes = (
        _message(
            (1, name),
            (2, json.dumps(_type(attribute["type"]))),
            *(
                (number, True)
                for number, mode in ((4, "required"), (5, "optional"), (6, "computed"))
                if attribute.get(mode)
            ),
            *[(10, True)] * name.endswith("_wo"),
        )
        for name, attribute in spec.get("attributes", {}).items()
    )
    blocks = (
        _message(
            (1, name),
            (2, _block(block)),
            (3, {"list": 2, "set": 3}.get(block.get("nesting", ""), 1)),
            (4, block["min"] if "nesting" in block else 0),
            (5, (block["max"] or 0) if "nesting" in block else 0),
        )
        for name, block in spec.get("blocks", {}).items()
    )
    return _message(*((2, attribute) for attribute in attributes), *((3, block) for block in blocks))


def _type(text: str) -> object:
    outer, _, inner = text.rstrip(")").partition("(")
    return [outer, ["map", "string"] if inner == "object" else inner] if inner else outer


class Request:
    """A message of the protocol: the fields of a protobuf, by number, the last of each."""

    def __init__(self, body: bytes) -> None:
        self._fields: dict[int, bytes] = {}
        position = 0
        while position < len(body):
            key, position = _read_number(body, position)
            size, position = _read_number(body, position)
            if key & 7 == 2:  # the others are plain numbers, which nobody here asks for
                self._fields[key >> 3] = body[position : position + size]
                position += size

    def raw(self, number: int) -> bytes:
        return self._fields.get(number, b"")

    def text(self, number: int) -> str:
        return self.raw(number).decode()

    def value(self, number: int) -> Any:
        """A DynamicValue, which holds MessagePack in its field 1."""
        packed = Request(self.raw(number)).raw(1)
        return msgspec.msgpack.decode(packed, ext_hook=lambda _code, _data: UNKNOWN) if packed else None


def _value(value: object) -> bytes:
    return _message((1, msgspec.msgpack.encode(value)))


def _message(*fields: tuple[int, bytes | str | int]) -> bytes:
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(_number(number << 3) + _number(int(value)))
        else:
            body = value.encode() if isinstance(value, str) else value
            parts.append(_number(number << 3 | 2) + _number(len(body)) + body)
    return b"".join(parts)


def _number(value: int) -> bytes:
    low = []
    while value > 127:
        low.append(value & 127 | 128)
        value >>= 7
    return bytes([*low, value])


def _read_number(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while body[position] > 127:
        value |= (body[position] & 127) << shift
        shift, position = shift + 7, position + 1
    return value | body[position] << shift, position + 1
