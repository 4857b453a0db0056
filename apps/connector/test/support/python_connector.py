"""Flyte's own connector, served as `pyflyte serve connector` does, on a free port of loopback that it prints."""

import asyncio

import flytekitplugins.spark.connector  # noqa: F401, it registers what is served
import grpc
from flyteidl.service.agent_pb2_grpc import add_AsyncAgentServiceServicer_to_server
from flytekit.extend.backend.connector_service import AsyncConnectorService


async def serve():
    server = grpc.aio.server()
    add_AsyncAgentServiceServicer_to_server(AsyncConnectorService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


asyncio.run(serve())
