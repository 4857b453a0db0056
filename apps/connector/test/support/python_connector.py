"""Flyte's own connector, served as `pyflyte serve connector` does, on a free port of loopback that it prints.

In versions before 1.16 it is an agent.
"""

import asyncio
import importlib

import grpc
from flyteidl.service.agent_pb2_grpc import add_AsyncAgentServiceServicer_to_server


def either(connector: str, agent: str):
    try:
        return importlib.import_module(connector)
    except ModuleNotFoundError:
        return importlib.import_module(agent)


# It registers what is served.
either("flytekitplugins.spark.connector", "flytekitplugins.spark.agent")
backend = either("flytekit.extend.backend.connector_service", "flytekit.extend.backend.agent_service")
service = backend.AsyncConnectorService if hasattr(backend, "AsyncConnectorService") else backend.AsyncAgentService


async def serve():
    server = grpc.aio.server()
    add_AsyncAgentServiceServicer_to_server(service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


asyncio.run(serve())
