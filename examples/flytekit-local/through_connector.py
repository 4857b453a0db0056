"""`pyflyte run` with the DatabricksV2 tasks sent through a connector, as Flyte sends them. README.md says how."""

import os
import uuid

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core.identifier_pb2 import NodeExecutionIdentifier, TaskExecutionIdentifier, WorkflowExecutionIdentifier
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub
from flytekit import FlyteContextManager
from flytekit.clis.sdk_in_container.pyflyte import main
from flytekit.core.task import TaskPlugins
from flytekit.extend.backend.base_connector import AsyncConnectorBase, AsyncConnectorExecutorMixin
from flytekit.extend.backend.base_connector import ConnectorRegistry, Resource
from flytekitplugins.spark import DatabricksV2
from flytekitplugins.spark.task import PysparkFunctionTask

TYPE = agent_pb2.TaskCategory(name="databricks")


class ThroughConnector(AsyncConnectorBase):
    def __init__(self, endpoint, namespace):
        super().__init__(task_type_name=TYPE.name, metadata_type=bytes)
        self.connector = AsyncAgentServiceStub(grpc.insecure_channel(endpoint))
        self.namespace = namespace

    def create(self, task_template, output_prefix, **_):
        execution = WorkflowExecutionIdentifier(name=f"local-{uuid.uuid4().hex}")
        node = NodeExecutionIdentifier(node_id="n0", execution_id=execution)
        metadata = agent_pb2.TaskExecutionMetadata(
            namespace=self.namespace, task_execution_id=TaskExecutionIdentifier(node_execution_id=node)
        )
        request = agent_pb2.CreateTaskRequest(
            template=task_template.to_flyte_idl(), output_prefix=output_prefix, task_execution_metadata=metadata
        )
        return self.connector.CreateTask(request, timeout=30).resource_meta

    def get(self, resource_meta, **_):
        request = agent_pb2.GetTaskRequest(task_category=TYPE, resource_meta=resource_meta)
        resource = self.connector.GetTask(request, timeout=30).resource
        return Resource(phase=resource.phase, message=resource.message, log_links=resource.log_links)

    def delete(self, resource_meta, **_):
        request = agent_pb2.DeleteTaskRequest(task_category=TYPE, resource_meta=resource_meta)
        self.connector.DeleteTask(request, timeout=30)


class ThroughConnectorTask(PysparkFunctionTask):
    def pre_execute(self, user_params):  # flytekit starts Spark on this machine first, which needs Java
        return user_params

    def execute(self, **kwargs):  # flytekit computes here after any error, which looks like success
        files = FlyteContextManager.current_context().file_access
        if not files.is_remote(files.raw_output_prefix):
            raise ValueError("Databricks cannot read this machine's files: give --raw-output-data-prefix a bucket")
        return AsyncConnectorExecutorMixin.execute(self, **kwargs)


connector = ThroughConnector(os.environ["DATABRICKS_CONNECTOR"], os.environ["DATABRICKS_NAMESPACE"])
ConnectorRegistry.register(connector, override=True)
TaskPlugins._PYTHONFUNCTION_TASK_PLUGINS[DatabricksV2] = ThroughConnectorTask  # it has no public way to replace one

if __name__ == "__main__":
    main()
