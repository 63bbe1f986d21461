"""A stand-in for the three providers: Terraform itself plans and applies against it, without a network or a cloud.

It speaks as much of Terraform's plugin protocol, version 5, as `apply` needs, with the schema of `schema.json`
(https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol). It refuses what breaks a rule of
`rules.py`, keeps what it is given and makes up what a cloud would answer; `cloud.py` is what that cloud remembers and
refuses.
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

from tests.terraform.cloud import Cloud, Refused
from tests.terraform.rules import UNKNOWN, broken, kept

Schema = Mapping[str, Any]
State = dict[str, Any]

REPLACED_BY = {
    "google_storage_bucket_object": ("name", "bucket"),
    "google_secret_manager_secret_version": ("secret", "secret_data_wo_version"),
    "google_firestore_database": ("name", "location_id"),
    "google_firestore_field": ("database", "collection", "field"),
    "google_firestore_backup_schedule": ("database",),
    "google_compute_address": ("name", "region", "description"),
    "google_cloudfunctions2_function": ("name", "location"),
    "google_cloud_run_v2_service_iam_member": ("name", "role", "member"),
}
"""Arguments whose change makes a new resource, where a test looks at that."""


@contextmanager
def serving(schema: Schema, cloud: Cloud) -> Iterator[dict[str, str]]:
    """Serve the providers on a free port of this machine.

    Args:
        schema: The arguments of each resource.
        cloud: What there is before the first call.

    Yields:
        The environment that makes Terraform use them.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tfplugin5.Provider", _handlers(schema, cloud))]
    )
    server.start()
    try:
        address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
        plugin = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
        names = [f"hashicorp/{name}" for name in ("archive", "google", "time")]
        yield {"TF_REATTACH_PROVIDERS": json.dumps(dict.fromkeys(names, plugin))}
    finally:
        server.stop(None).wait()


def _handlers(schema: Schema, cloud: Cloud) -> dict[str, Any]:
    resources, data = schema["resources"], schema["data"]
    wire_schema = _message(
        (1, _schema("", {})),
        *((2, _message((1, name), (2, _schema(name, spec)))) for name, spec in resources.items()),
        *((3, _message((1, name), (2, _schema(name, spec)))) for name, spec in data.items()),
    )

    def validate(request: Request) -> bytes:
        return _message(*((1, _error(problem)) for problem in broken(request.text(1), request.value(2))))

    def plan(request: Request) -> bytes:
        kind, prior, proposed = request.text(1), request.value(2), request.value(3)
        if proposed is None:  # destroy
            return _message((1, _value(None)))
        changed = [name for name in REPLACED_BY.get(kind, ()) if prior and prior[name] != proposed[name]]
        if prior and kind == "google_monitoring_dashboard":
            proposed["dashboard_json"] = _same_dashboard(prior["dashboard_json"], proposed["dashboard_json"])
        _fill(kind, resources[kind], proposed, lambda _name, _type: UNKNOWN)
        replaced = ((2, _message((1, _message((1, name))))) for name in changed)
        return _message((1, _value(proposed)), *replaced, (5, True))  # 5: may plan what the files do not say

    def apply(request: Request) -> bytes:
        kind, prior, planned = request.text(1), request.value(2), request.value(3)
        try:
            if planned is None:
                cloud.delete(kind, prior)
            else:
                _fill(kind, resources[kind], planned, lambda name, type_: _made_up(planned, name, type_))
                cloud.write(kind, prior, planned, request.value(4))
        except Refused as exc:
            return _message((1, _value(prior)), (3, _error(str(exc))))
        return _message((1, _value(planned)), (4, True))

    def read(request: Request) -> bytes:
        return _message((1, _value(cloud.read(request.text(1), request.value(2)))))

    def find(request: Request) -> bytes:
        try:
            found = cloud.find(request.text(2))
        except Refused as exc:
            return _message((2, _error(str(exc))))
        return _message((1, _message((1, request.text(1)), (2, _value(found)))))

    def read_data(request: Request) -> bytes:
        kind, state = request.text(1), request.value(2)
        content = json.dumps(state.get("source"), sort_keys=True)
        state |= cloud.data(kind, state)
        _fill(kind, data[kind], state, lambda name, type_: _made_up(state, name, type_, salt=content))
        return _message((1, _value(state)))

    answers: dict[str, Callable[[Request], bytes]] = {
        "GetSchema": lambda _: wire_schema,
        "PrepareProviderConfig": lambda request: _message((1, request.raw(1))),
        "Configure": lambda _: b"",
        "ValidateResourceTypeConfig": validate,
        "ValidateDataSourceConfig": lambda _: b"",
        "UpgradeResourceState": lambda request: _message((1, _value(json.loads(Request(request.raw(3)).raw(1))))),
        "ReadResource": read,
        "PlanResourceChange": plan,
        "ApplyResourceChange": apply,
        "ImportResourceState": find,
        "ReadDataSource": read_data,
        "Stop": lambda _: b"",
    }
    return {
        method: grpc.unary_unary_rpc_method_handler(lambda body, _context, answer=answer: answer(Request(body)))
        for method, answer in answers.items()
    }


def _error(text: str) -> bytes:
    return _message((1, 1), (2, text))


def _same_dashboard(prior: str, proposed: str) -> str:
    """Keep what stands where the provider sees no difference: it drops what only Google names, then compares deeply."""
    old, new = json.loads(prior), json.loads(proposed)
    return prior if {name: value for name, value in old.items() if name in new} == new else proposed


def _fill(path: str, spec: Schema, value: State, make: Callable[[str, str], object]) -> None:
    """Give each argument that the cloud decides a value, in place; forget what is write-only."""
    for name, attribute in spec.get("attributes", {}).items():
        if name.endswith("_wo"):
            value[name] = None
        elif _computed(f"{path}.{name}", attribute) and (value.get(name) is None or value[name] == UNKNOWN):
            value[name] = make(name, attribute["type"])
    for name, block in spec.get("blocks", {}).items():
        inner = value.get(name)
        for item in inner if isinstance(inner, list) else [inner] if inner else []:
            _fill(f"{path}.{name}", block, item, make)


def _computed(path: str, attribute: Schema) -> bool:
    kind, _, name = path.partition(".")
    return bool(attribute.get("computed")) or kept(kind, name)


def _made_up(state: State, name: str, type_: str, salt: str = "") -> object:
    """What the cloud would answer: recognizable, and the same for the same resource."""
    names = ("name", "account_id", "secret_id", "repository_id")
    known = next((state[key] for key in names if isinstance(state.get(key), str)), "")
    if type_ == "string" and name.startswith("output_"):
        return hashlib.sha256(salt.encode()).hexdigest()
    if type_ == "string":
        answers = {
            "uri": f"https://{known}.run.app",
            "version": str(state.get("secret_data_wo_version")),
            "deletion_policy": "DELETE",
            "direct_vpc_egress": "",
        }
        return answers.get(name, f"{name} of {known}")
    return {"number": 1, "bool": False, "map(string)": {}}.get(type_, [])


def _schema(kind: str, spec: Schema) -> bytes:
    return _message((2, _block(kind, spec)))


def _block(path: str, spec: Schema) -> bytes:
    attributes = (
        _message(
            (1, name),
            (2, json.dumps(_type(attribute["type"]))),
            *((number, True) for number, mode in ((4, "required"), (5, "optional")) if attribute.get(mode)),
            *[(6, True)] * _computed(f"{path}.{name}", attribute),
            *[(7, True)] * bool(attribute.get("sensitive")),
            *[(10, True)] * name.endswith("_wo"),
        )
        for name, attribute in spec.get("attributes", {}).items()
    )
    blocks = (
        _message(
            (1, name),
            (2, _block(f"{path}.{name}", block)),
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
