"""A provider that knows its schema and nothing else, for `terraform init`, `validate` and mocked tests without a download.

Terraform checks types, arguments and references itself; it asks a provider for the schema, and whether a value is good. This
one gives the schema and finds every value good. It cannot plan or apply, for which `terraform test` has mock_provider.

Terraform attaches to a running provider instead of starting one when TF_REATTACH_PROVIDERS says where it listens.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
from tf.gen import tfplugin_pb2 as protocol

Json = dict[str, Any]

# Questions of Terraform that an empty message answers: nothing to say against it.
AGREED = (
    "ConfigureProvider",
    "GetFunctions",
    "StopProvider",
    "ValidateDataResourceConfig",
    "ValidateProviderConfig",
    "ValidateResourceConfig",
)
LARGEST_MESSAGE = 64 << 20  # a whole schema is larger than the 4 MB that gRPC sends at most by itself


def block_message(block: Json) -> Any:
    """A block in the words of the protocol."""
    message = protocol.Schema.Block()
    for name, attribute in sorted(block["attributes"].items()):
        flags = {flag: attribute[flag] for flag in ("required", "optional", "computed")}
        message.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, nested in sorted(block["blocks"].items()):
        message.block_types.add(
            type_name=name,
            nesting=protocol.Schema.NestedBlock.NestingMode.Value(nested["nesting"].upper()),
            min_items=nested["min"],
            max_items=nested["max"],
            block=block_message(nested["block"]),
        )
    return message


def schema_message(schema: Json, types: Container[str]) -> bytes:
    """The answer to GetProviderSchema, with the given types only: Terraform reads all of it for each run of a test."""

    def messages(section: str) -> Json:
        known = {name: block for name, block in schema[section].items() if name in types}
        return {name: protocol.Schema(block=block_message(block)) for name, block in known.items()}

    response = protocol.GetProviderSchema.Response(
        provider=protocol.Schema(block=block_message(schema["provider"])),
        resource_schemas=messages("resources"),
        data_source_schemas=messages("data"),
    )
    return bytes(response.SerializeToString())


def answer(service: str, answers: dict[str, bytes]) -> Any:
    """A service whose methods always answer the same bytes."""

    def method(content: bytes) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: content)

    return grpc.method_handlers_generic_handler(service, {name: method(content) for name, content in answers.items()})


@contextmanager
def attached(schemas: Mapping[str, Json], types: Container[str]) -> Iterator[dict[str, str]]:
    """Serve some types of each schema as the provider of its address. Gives the environment to run terraform with."""
    with ExitStack() as stack:
        where = {address: stack.enter_context(served(schema, types)) for address, schema in schemas.items()}
        yield {
            "TF_REATTACH_PROVIDERS": json.dumps(where),
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
        }


@contextmanager
def served(schema: Json, types: Container[str]) -> Iterator[Json]:
    """Serve one provider. Gives what Terraform wants to know to find it."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", LARGEST_MESSAGE)])
    provider = dict.fromkeys(AGREED, b"") | {"GetProviderSchema": schema_message(schema, types)}
    serving = b"\x08\x01"  # HealthCheckResponse{status: SERVING}; Terraform asks this before anything else
    server.add_generic_rpc_handlers(
        (answer("tfplugin6.Provider", provider), answer("grpc.health.v1.Health", {"Check": serving}))
    )
    with tempfile.TemporaryDirectory() as folder:  # of its own: the path of a socket may not be long
        socket = f"{folder}/provider.sock"
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            yield {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": socket},
            }
        finally:
            server.stop(None).wait()
