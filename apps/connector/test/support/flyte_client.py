"""Flyte's side as Flyte's own libraries speak it: flytekit serialises the tasks, flyteidl's stubs call the connector.

Prints one line of JSON for each task: what became of it, and what Flyte's own connector reads of its metadata.
"""

import json
import os
import time

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.core import execution_pb2, identifier_pb2
from flyteidl.service import agent_pb2_grpc
from flytekit import task
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable
from flytekitplugins.spark import DatabricksV2
from flytekitplugins.spark.connector import DatabricksJobMetadata

CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "m5.xlarge", "num_workers": 2}
DATABRICKS = agent_pb2.TaskCategory(name="databricks", version=0)
OVER = {execution_pb2.TaskExecution.SUCCEEDED, execution_pb2.TaskExecution.FAILED, execution_pb2.TaskExecution.ABORTED}


@task(task_config=DatabricksV2(databricks_conf={"run_name": "own-pat", "new_cluster": CLUSTER}))
def own_pat(day: str) -> str:
    return day


@task(
    task_config=DatabricksV2(
        databricks_conf={"run_name": "own-principal", "new_cluster": CLUSTER}, databricks_auth_type="oauth_m2m"
    )
)
def own_principal(day: str) -> str:
    return day


def create_request(function, namespace: str) -> agent_pb2.CreateTaskRequest:
    image = ImageConfig(default_image=Image("default", "example.com/spark", "v1"))
    settings = SerializationSettings(project="billing", domain="production", version="v1", image_config=image)
    template = get_serializable({}, settings, function).template.to_flyte_idl()
    execution = identifier_pb2.WorkflowExecutionIdentifier(project="billing", domain="production", name=namespace)
    return agent_pb2.CreateTaskRequest(
        template=template,
        output_prefix="s3://flyte/out",
        task_execution_metadata=agent_pb2.TaskExecutionMetadata(
            namespace=namespace,
            task_execution_id=identifier_pb2.TaskExecutionIdentifier(
                task_id=template.id,
                node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution),
            ),
        ),
    )


with grpc.insecure_channel(os.environ["CONNECTOR"]) as channel:
    agents = agent_pb2_grpc.AgentMetadataServiceStub(channel).ListAgents(agent_pb2.ListAgentsRequest(), timeout=10)
    served = {category.name for category in agents.agents[0].supported_task_categories}
    stub = agent_pb2_grpc.AsyncAgentServiceStub(channel)
    for function, namespace in [(own_pat, "team-pat"), (own_principal, "team-oauth")]:
        request = create_request(function, namespace)
        assert request.template.type in served, request.template.type
        meta = stub.CreateTask(request, timeout=10).resource_meta
        again = stub.CreateTask(request, timeout=10).resource_meta
        phases, links = [], []
        while not phases or phases[-1] not in OVER:
            get = agent_pb2.GetTaskRequest(task_category=DATABRICKS, resource_meta=meta)
            resource = stub.GetTask(get, timeout=10).resource
            if phases[-1:] != [resource.phase]:
                phases.append(resource.phase)
            links = [(link.name, link.uri) for link in resource.log_links]
            time.sleep(0.05)
        stub.DeleteTask(agent_pb2.DeleteTaskRequest(task_category=DATABRICKS, resource_meta=meta), timeout=10)
        read = DatabricksJobMetadata.decode(meta)
        print(
            json.dumps(
                {
                    "phases": [execution_pb2.TaskExecution.Phase.Name(phase) for phase in phases],
                    "links": links,
                    "same": meta == again,
                    "metadata": vars(read),
                    "rewritten": read.encode().decode(),
                    "written": meta.decode(),
                }
            )
        )
