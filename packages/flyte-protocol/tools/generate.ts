// Generates gen/ from npm packages, Flyte's and gRPC's, without a network. `--check` only compares.
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { create, toBinary } from "@bufbuild/protobuf"
import type { DescFile } from "@bufbuild/protobuf"
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"
import { build } from "esbuild"
import { differences } from "./compareTrees.ts"

const packageRoot = fileURLToPath(new URL("..", import.meta.url))

const require = createRequire(import.meta.url)
const buf = join(dirname(require.resolve("@bufbuild/buf/package.json")), "bin/buf")
const protocGenEs = join(dirname(require.resolve("@bufbuild/protoc-gen-es/package.json")), "bin/protoc-gen-es")
const flyteidl = join(dirname(require.resolve("@flyteorg/flyteidl/package.json")), "protos")
const flyteidl2 = dirname(require.resolve("@flyteorg/flyteidl2/package.json"))
const grpcHealth = join(dirname(require.resolve("grpc-health-check/package.json")), "proto")
const googleProtoFiles = dirname(require.resolve("google-proto-files/package.json"))

interface Family {
  readonly file: string
  readonly services: ReadonlyArray<string>
  /** REST mappings and validation rules: not read by a gRPC connector, and the latter larger than all the messages. */
  readonly unusedOptions: ReadonlyArray<string>
  /** What `buf` reads, in the directory that `prepare` fills. */
  readonly input: string
  readonly prepare: (directory: string) => void | Promise<void>
}

/** Flyte 1 publishes its `.proto` files. The agent's import the core ones, and two of Google's. */
const flyte1: Family = {
  file: "flyteidl/service/agent.proto",
  services: ["flyteidl.service.AsyncAgentService", "flyteidl.service.AgentMetadataService"],
  unusedOptions: ["google.api.http"],
  input: ".",
  prepare: (directory) => {
    for (const path of ["flyteidl/service/agent.proto", "flyteidl/admin/agent.proto", "flyteidl/core"]) {
      cpSync(join(flyteidl, path), join(directory, path), { recursive: true })
    }
    for (const path of ["google/api/annotations.proto", "google/api/http.proto"]) {
      cpSync(join(googleProtoFiles, path), join(directory, path))
    }
    writeFileSync(join(directory, "buf.yaml"), "version: v2\n")
  }
}

/**
 * Flyte 2 publishes no `.proto` files, only TypeScript that neither Node nor this repository's compiler settings take.
 * The descriptors in it are the same thing as the `.proto` files, but for the comments.
 */
const flyte2: Family = {
  file: "flyteidl2/connector/service.proto",
  services: ["flyteidl2.connector.AsyncConnectorService", "flyteidl2.connector.ConnectorMetadataService"],
  unusedOptions: ["google.api.http", "buf.validate"],
  input: "flyteidl2.binpb",
  prepare: async (directory) => {
    const module = join(directory, "service.mjs")
    const service = join(flyteidl2, "flyteidl2/connector/service_pb.ts")
    await build({ entryPoints: [service], bundle: true, format: "esm", platform: "node", outfile: module })
    const bundled: { readonly file_flyteidl2_connector_service: DescFile } = await import(pathToFileURL(module).href)
    const file = [...closure(bundled.file_flyteidl2_connector_service)].map((descriptor) => descriptor.proto)
    const image = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }))
    writeFileSync(join(directory, "flyteidl2.binpb"), image)
  }
}

/** gRPC's own health service, which Kubernetes asks. */
const grpc: Family = {
  file: "health/v1/health.proto",
  services: ["grpc.health.v1.Health"],
  unusedOptions: [],
  input: ".",
  prepare: (directory) => {
    cpSync(join(grpcHealth, grpc.file), join(directory, grpc.file))
    writeFileSync(join(directory, "buf.yaml"), "version: v2\n")
  }
}

/** A file and what it imports, each after its own imports. */
const closure = (file: DescFile, seen = new Set<DescFile>()): ReadonlySet<DescFile> => {
  for (const dependency of file.dependencies) closure(dependency, seen)
  return seen.add(file)
}

/** Writes the services, and just the messages that they need. */
const generate = (family: Family, directory: string, out: string) => {
  const plugin = {
    local: [process.execPath, protocGenEs],
    out,
    include_imports: true,
    // JavaScript with declarations: the TypeScript target has enums, which Node's type stripping refuses.
    opt: ["target=js+dts", "import_extension=js"]
  }
  const types = family.services.flatMap((service) => ["--type", service])
  const excluded = family.unusedOptions.flatMap((option) => ["--exclude-type", option])
  const template = JSON.stringify({ version: "v2", plugins: [plugin] })
  execFileSync(
    process.execPath,
    [buf, "generate", family.input, "--template", template, "--path", family.file, ...types, ...excluded],
    { cwd: directory, stdio: "inherit" }
  )
}

const work = mkdtempSync(join(tmpdir(), "flyte-protocol-"))
try {
  const generated = join(work, "gen")
  for (const [name, family] of Object.entries({ v1: flyte1, v2: flyte2, grpc })) {
    const directory = join(work, name)
    mkdirSync(directory)
    await family.prepare(directory)
    generate(family, directory, join(generated, name))
  }

  const committed = join(packageRoot, "gen")
  if (process.argv.includes("--check")) {
    const found = differences(committed, generated)
    if (found.length > 0) {
      process.stderr.write(
        `packages/flyte-protocol/gen is not what its inputs generate. Run "npm run generate" and commit the result.\n` +
          found.map((line) => `  ${line}\n`).join("")
      )
      process.exitCode = 1
    }
  } else {
    rmSync(committed, { recursive: true, force: true })
    cpSync(generated, committed, { recursive: true })
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
