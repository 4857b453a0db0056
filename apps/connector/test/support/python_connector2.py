"""Flyte 2's own Databricks connector, with the services that the SDK serves it by."""

import flyteplugins.databricks.connector  # noqa: F401 - it registers what is served
from flyte.connectors._server import AsyncConnectorService, ConnectorMetadataService
from flyteidl2.connector.service_pb2_grpc import (
    add_AsyncConnectorServiceServicer_to_server,
    add_ConnectorMetadataServiceServicer_to_server,
)
from python_served import serve

serve(
    lambda server: add_AsyncConnectorServiceServicer_to_server(AsyncConnectorService(), server),
    lambda server: add_ConnectorMetadataServiceServicer_to_server(ConnectorMetadataService(), server),
)
