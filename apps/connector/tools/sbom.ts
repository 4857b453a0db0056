// The bundle's bill of materials in CycloneDX: what it holds, by the checksums of the lockfile, and the Node.js that built
// it, which is the one that the image runs.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { BundledPackage } from "./bundled.ts"

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"))

const component = ({ integrity, license, name, version }: BundledPackage) => {
  const [algorithm = "", digest = ""] = integrity.split("-")
  const [scope, short] = name.startsWith("@") ? name.split("/") : [undefined, name]
  const purl = `pkg:npm/${scope === undefined ? "" : `${encodeURIComponent(scope)}/`}${short}@${version}`
  return {
    type: "library",
    "bom-ref": purl,
    ...(scope === undefined ? {} : { group: scope }),
    name: short,
    version,
    licenses: [{ expression: license }],
    purl,
    hashes: [
      { alg: algorithm.toUpperCase().replace("SHA", "SHA-"), content: Buffer.from(digest, "base64").toString("hex") }
    ]
  }
}

/** The document. It has no date and no random number, so that equal bundles have equal ones. */
export const bom = (packages: ReadonlyArray<BundledPackage>, commit = "dev") => ({
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  version: 1,
  metadata: {
    component: {
      type: "application",
      "bom-ref": "connector",
      name: "flyte-databricks-connector",
      version: `${version}+${commit.slice(0, 12)}`,
      licenses: [{ license: { id: "Apache-2.0" } }]
    }
  },
  components: [
    ...packages.map(component),
    {
      type: "platform",
      "bom-ref": "node",
      name: "node",
      version: process.versions.node,
      purl: `pkg:generic/node@${process.versions.node}`
    }
  ]
})
