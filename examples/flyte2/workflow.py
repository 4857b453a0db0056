import flyte
from databricks_by_connector import DatabricksByConnector

env = flyte.TaskEnvironment(
    name="greetings",
    plugin_config=DatabricksByConnector(
        databricks_conf={
            "run_name": "greetings",
            "new_cluster": {"spark_version": "15.4.x-scala2.12", "node_type_id": "m5.xlarge", "num_workers": 1},
        }
    ),
    image="example.com/spark:v1",
)


@env.task
def greet(name: str) -> str:
    return f"hello {name}"
