"""Flyte's own connector, with the services that `pyflyte serve connector` serves it by.

In versions before 1.16 it is an agent.
"""

import importlib

from flyteidl.service.agent_pb2_grpc import (
    add_AgentMetadataServiceServicer_to_server,
    add_AsyncAgentServiceServicer_to_server,
)
from python_served import serve


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

serve(
    lambda server: add_AsyncAgentServiceServicer_to_server(service(), server),
    lambda server: add_AgentMetadataServiceServicer_to_server(metadata(), server),
)
