"""Flyte's own connector, served as `pyflyte serve connector` does, on a free port of loopback that it prints.

In versions before 1.16 it is an agent.
"""

import asyncio
import importlib
import os

import grpc
from flyteidl.service.agent_pb2_grpc import (
    add_AgentMetadataServiceServicer_to_server,
    add_AsyncAgentServiceServicer_to_server,
)


def either(connector: str, agent: str):
    try:
        return importlib.import_module(connector)
    except ModuleNotFoundError:
        return importlib.import_module(agent)


# It registers what is served.
either("flytekitplugins.spark.connector", "flytekitplugins.spark.agent")
backend = either("flytekit.extend.backend.connector_service", "flytekit.extend.backend.agent_service")
is_connector = hasattr(backend, "AsyncConnectorService")
service = backend.AsyncConnectorService if is_connector else backend.AsyncAgentService
metadata = backend.ConnectorMetadataService if is_connector else backend.AgentMetadataService


async def serve():
    server = grpc.aio.server()
    add_AsyncAgentServiceServicer_to_server(service(), server)
    add_AgentMetadataServiceServicer_to_server(metadata(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    # Nobody reads on, and a pipe that is full would stop it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    await server.wait_for_termination()


asyncio.run(serve())
