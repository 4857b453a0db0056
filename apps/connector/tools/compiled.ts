// Fills Node.js' compile cache with what the bundle needs until it serves: starts it, and ends it once it says that it
// listens. The cache is the user's who filled it, so that is the one that the image runs as.
//
//   node tools/compiled.ts MAIN DIRECTORY [UID]
import { spawn } from "node:child_process"
import { tmpdir } from "node:os"

const [main = "", directory = "", uid] = process.argv.slice(2)

const child = spawn(process.execPath, [main, "serve", "--host", "127.0.0.1", "--port", "0", "--prometheus_port", "0"], {
  // Nothing is asked of anybody before a task comes.
  env: {
    NODE_ENV: "production",
    NODE_OPTIONS: process.env["NODE_OPTIONS"] ?? "",
    NODE_COMPILE_CACHE: directory,
    HOME: tmpdir(),
    FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com",
    FLYTE_DATABRICKS_DRAIN_DELAY: "0s"
  },
  ...(uid === undefined ? {} : { uid: Number(uid), gid: Number(uid) }),
  stdio: ["ignore", "ignore", "pipe"]
})
let said = ""
child.stderr.setEncoding("utf8").on("data", (text: string) => {
  said += text
  if (said.includes("is listening on")) child.kill("SIGTERM")
})
child.once("exit", (code) => {
  if (!said.includes("is listening on")) throw new Error(`The bundle did not serve (${code}):\n${said}`)
})
