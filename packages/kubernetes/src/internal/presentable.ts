import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"

/** What the server said, as far as a message may repeat it: without the credentials that it was sent. */
export const presentable = (text: string, sentHeaders: Readonly<Record<string, string>>): string =>
  printable(text, { maxLength: 500, secrets: [sentHeaders["authorization"]?.replace(/^\S+ +/, "") ?? ""] })
