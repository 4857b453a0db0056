/**
 * A certificate authority for tests of TLS: it signs certificates of servers and of clients, for any names and any time.
 */
import "reflect-metadata"
import * as x509 from "@peculiar/x509"
import * as Effect from "effect/Effect"

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** Whom a certificate is for. */
export interface Subject {
  /** DNS names; a server of loopback needs `localhost`. */
  readonly names?: ReadonlyArray<string>
  /** URIs, as SPIFFE ids are. */
  readonly uris?: ReadonlyArray<string>
  readonly notAfter?: Date
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const notBefore = new Date("2020-01-01T00:00:00Z")
const farAway = new Date("2049-12-31T23:59:59Z")

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
const newSerialNumber = () => crypto.randomUUID().replaceAll("-", "").replace(/^./, "1")

const start = async () => {
  const keys = await newKeys()
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    notBefore,
    notAfter: farAway,
    serialNumber: newSerialNumber(),
    name: `CN=Test CA ${newSerialNumber()}`,
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)
    ]
  })
  const issue = async ({ names = [], notAfter = farAway, uris = [] }: Subject): Promise<Certificate> => {
    const own = await newKeys()
    const certificate = await x509.X509CertificateGenerator.create({
      notBefore,
      notAfter,
      serialNumber: newSerialNumber(),
      subject: "CN=test",
      issuer: authority.subject,
      signingAlgorithm: algorithm,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([
          ...names.map((value) => ({ type: "dns" as const, value })),
          ...uris.map((value) => ({ type: "url" as const, value }))
        ])
      ]
    })
    const key = await crypto.subtle.exportKey("pkcs8", own.privateKey)
    return {
      certificatePem: `${certificate.toString("pem")}\n`,
      privateKeyPem: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`
    }
  }
  return { caPem: `${authority.toString("pem")}\n`, issue }
}

/** Makes an authority that nobody knows yet. */
export const make = Effect.map(Effect.promise(start), ({ caPem, issue }) => ({
  /** What to trust, in PEM. */
  caPem,
  issue: (subject: Subject) => Effect.promise(() => issue(subject))
}))
