"""Databricks tasks of Flyte 2 that leave it to the connector to log in.

The SDK's own task always names a secret, `null` where the author names none. Flyte's executor looks it up, fails, and the
task never reaches a connector. This one leaves the key out, unless a secret is named.
"""

from dataclasses import dataclass

from flyte.extend import TaskPluginRegistry
from flyteplugins.databricks import Databricks
from flyteplugins.databricks.task import DatabricksFunctionTask


@dataclass
class DatabricksByConnector(Databricks):
    """Takes what `Databricks` takes."""


class DatabricksByConnectorTask(DatabricksFunctionTask):
    def custom_config(self, sctx):
        custom = super().custom_config(sctx)
        if self.plugin_config.databricks_token is None:
            del custom["secrets"]
        return custom


TaskPluginRegistry.register(DatabricksByConnector, DatabricksByConnectorTask)
