/**
 * The reference of the core's members, by typedoc, in `dist/docs`. `npm run docs`.
 */
import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { root } from "./packages.ts"
import { installTools, tools } from "./tools.ts"

const core = join(root, "packages/databricks-auth")
const adapters = readdirSync(join(core, "src/client/adapters")).map((file) => join("src/client/adapters", file))

installTools()
execFileSync(
  process.execPath,
  [
    join(tools, "typedoc/bin/typedoc"),
    ...["src/index.ts", "src/client.ts", "src/testing.ts", ...adapters].flatMap((entry) => ["--entryPoints", entry]),
    "--tsconfig",
    "tsconfig.json",
    "--out",
    join(root, "dist/docs"),
    "--name",
    "@flyte-databricks/databricks-auth",
    "--excludePrivate",
    "--excludeExternals",
    "--disableSources",
    // The repository's own compiler has looked.
    "--skipErrorChecking",
    "--validation.notExported",
    "false",
    "--validation.invalidLink",
    "false",
    "--logLevel",
    "Warn"
  ],
  { cwd: core, stdio: "inherit" }
)
console.log("dist/docs/index.html")
