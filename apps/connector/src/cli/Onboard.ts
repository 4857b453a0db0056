/**
 * `connector onboard`: what a namespace needs, with the values of this cluster filled in.
 */
import { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import { baseUrl } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import { SelfReview } from "@flyte-databricks/kubernetes"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Onboard from "../diagnose/Onboard.ts"
import * as Output from "../diagnose/Output.ts"

const options = {
  namespace: Argument.String("namespace").pipe(Argument.withDescription("The namespace that is to have an identity")),
  mode: Flag.Literals("mode", Onboard.modes).pipe(Flag.withDescription("oidc (Model 2), m2m or pat")),
  servicePrincipal: Flag.String("service-principal").pipe(
    Flag.withDescription("The application id of its service principal"),
    Flag.withDefault("APPLICATION_ID")
  ),
  output: Flag.Literals("output", ["commands", "yaml"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("commands to paste, or the manifests alone, for kubectl apply"),
    Flag.withDefault("commands")
  )
}

type Options = Command.Command.Config.Infer<typeof options>

// RFC 1123 label; and what a service principal's application id is made of.
const namespacePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const applicationIdPattern = /^[\w.-]{1,100}$/

const run = Effect.fnUntraced(function* ({ namespace, mode, servicePrincipal, output }: Options) {
  if (!namespacePattern.test(namespace)) {
    return yield* Output.misused("NAMESPACE: expected 1 to 63 lower-case letters, digits and hyphens.")
  }
  if (!applicationIdPattern.test(servicePrincipal)) {
    return yield* Output.misused(
      "--service-principal: expected an application id, as in 0f1e2d3c-4b5a-4697-8877-665544332211."
    )
  }
  const values = yield* valuesOf({ namespace, mode, applicationId: servicePrincipal }).pipe(
    Effect.provide(SelfReview.layerConfig, { local: true }),
    Effect.scoped,
    Effect.catch(({ message }) => Output.misused(message))
  )
  if (output === "yaml") return yield* Console.log(Onboard.toYaml(values).trimEnd())
  yield* Console.log(Onboard.toCommands(values))
})

/** What the cluster and the settings say; what they do not say keeps its word in capitals. */
const valuesOf = Effect.fnUntraced(function* (asked: Pick<Onboard.Values, "namespace" | "mode" | "applicationId">) {
  const settings = yield* ConnectorSettings.fromConfig
  const review = yield* SelfReview.SelfReviews
  const ask = <A>(question: (review: SelfReview.SelfReview) => Effect.Effect<A, unknown>) =>
    Option.match(review, { onNone: () => Effect.succeedNone, onSome: (known) => Effect.option(question(known)) })
  const issuer = Option.flatten(yield* ask((known) => known.issuer))
  const user = yield* ask((known) => known.whoAmI)
  const [, ofNamespace = "flyte", name = "flyteconnector"] =
    /^system:serviceaccount:([^:]+):([^:]+)$/.exec(Option.getOrElse(user, () => "")) ?? []
  return {
    ...asked,
    issuer: Option.getOrElse(issuer, () => Onboard.unknownIssuer),
    audience: settings.oidcAudience,
    instance: Option.match(settings.instance, { onNone: () => "https://INSTANCE", onSome: baseUrl }),
    tokenSecretName: settings.tokenSecretName,
    oauthSecretName: settings.oauthSecretName,
    connector: { namespace: ofNamespace, name }
  } satisfies Onboard.Values
})

export const command = Command.make("onboard", options, run).pipe(
  Command.withDescription(
    "Print what a namespace needs to have an identity of its own: manifests, the federation policy, and the commands that make them. " +
      "It changes nothing itself, and knows no secret."
  ),
  Command.withExamples([
    {
      command: "connector onboard team-a --mode oidc --service-principal 0f1e2d3c-4b5a-4697-8877-665544332211",
      description: "The commands to paste"
    },
    {
      command: "connector onboard team-a --mode oidc --service-principal ID -o yaml | kubectl apply -f -",
      description: "The manifests alone"
    }
  ])
)
