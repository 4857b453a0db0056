/**
 * A certificate authority made on the spot, and a server certificate for loopback, so that clients can speak HTTPS to
 * an emulator by trusting one PEM file.
 */
import "reflect-metadata"
import * as x509 from "@peculiar/x509"
import * as Effect from "effect/Effect"

/** What an HTTPS server on loopback needs, and what its clients have to trust. */
export interface ServerCertificate {
  /** The authority's certificate, in PEM. */
  readonly caPem: string
  /** The server's certificate, in PEM. */
  readonly certificatePem: string
  /** The server's private key, in PEM (PKCS #8). It lives in memory alone. */
  readonly privateKeyPem: string
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

// TLS clients check validity against the machine's clock, not Effect's: the period is a constant that covers both.
const validity = { notBefore: new Date("2020-01-01T00:00:00Z"), notAfter: new Date("2049-12-31T23:59:59Z") }

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])

const newSerialNumber = () => crypto.randomUUID().replaceAll("-", "").replace(/^./, "1")

const issue = async (names: ReadonlyArray<string>, notAfter = validity.notAfter): Promise<ServerCertificate> => {
  const authorityKeys = await newKeys()
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: newSerialNumber(),
    name: "CN=Emulator CA",
    signingAlgorithm: algorithm,
    keys: authorityKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey)
    ]
  })
  const serverKeys = await newKeys()
  const server = await x509.X509CertificateGenerator.create({
    ...validity,
    notAfter,
    serialNumber: newSerialNumber(),
    subject: "CN=Emulator",
    issuer: authority.subject,
    signingAlgorithm: algorithm,
    publicKey: serverKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
        { type: "ip", value: "::1" },
        ...names.map((value) => ({ type: "dns" as const, value }))
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(serverKeys.publicKey)
    ]
  })
  const privateKey = await crypto.subtle.exportKey("pkcs8", serverKeys.privateKey)
  return {
    caPem: authority.toString("pem") + "\n",
    certificatePem: server.toString("pem") + "\n",
    privateKeyPem: x509.PemConverter.encode(privateKey, "PRIVATE KEY") + "\n"
  }
}

/** Makes a new authority and, signed by it, a certificate for `localhost`, `127.0.0.1` and `::1`. */
export const loopbackCertificate: Effect.Effect<ServerCertificate> = Effect.promise(() => issue([]))

/** The same with further host names, for a server that a proxy stands before. */
export const certificateFor = (names: ReadonlyArray<string>): Effect.Effect<ServerCertificate> =>
  Effect.promise(() => issue(names))

/** The same, of which the time is over. */
export const expiredCertificate: Effect.Effect<ServerCertificate> = Effect.promise(() =>
  issue([], new Date("2021-01-01T00:00:00Z"))
)
