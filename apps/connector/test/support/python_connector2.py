"""Flyte 2's own Databricks connector, served as the SDK serves it, on a free port of loopback that it prints."""

import asyncio

import flyteplugins.databricks.connector  # noqa: F401 - it registers what is served
import grpc
from flyte.connectors._server import AsyncConnectorService, ConnectorMetadataService
from flyteidl2.connector.service_pb2_grpc import (
    add_AsyncConnectorServiceServicer_to_server,
    add_ConnectorMetadataServiceServicer_to_server,
)


async def serve():
    server = grpc.aio.server()
    add_AsyncConnectorServiceServicer_to_server(AsyncConnectorService(), server)
    add_ConnectorMetadataServiceServicer_to_server(ConnectorMetadataService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


asyncio.run(serve())
