import { databricks, fromEnvironment } from "@flyte-databricks/databricks-auth/client"

await using workspace = databricks({ auth: fromEnvironment() })

const answer = await workspace.fetch("/api/2.0/preview/scim/v2/Me")
console.log(answer.status, (await workspace.explain()).identity?.source)
