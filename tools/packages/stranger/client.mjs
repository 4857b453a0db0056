// The client, as Databricks' own variables say; it is not closed, and the program ends all the same.
import { databricks, fromEnvironment } from "@flyte-databricks/databricks-auth/client"

const workspace = databricks({ auth: fromEnvironment() })
const answer = await workspace.fetch("/api/2.0/preview/scim/v2/Me")
const { userName } = await answer.json()
const { accessToken, expiresAt } = await workspace.token()
if (answer.status !== 200 || userName !== process.env.DATABRICKS_CLIENT_ID || !(expiresAt > new Date())) {
  throw new Error(`${answer.status}, as ${userName} until ${expiresAt}`)
}
console.log(`Bearer of ${accessToken.length} characters`)
