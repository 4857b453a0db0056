/**
 * The reviews themselves, on the Kubernetes client library.
 */
import {
  AuthenticationV1Api,
  AuthorizationV1Api,
  type Configuration,
  CoreV1Api,
  VersionApi,
  WellKnownApi
} from "@kubernetes/client-node"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ClusterConfig } from "../ClusterConfig.ts"
import type { Right, SelfReview } from "../SelfReview.ts"
import * as Call from "./call.ts"
import { options } from "./exchange.ts"
import { load } from "./kubeConfig.ts"

const apis = (configuration: Configuration) => ({
  authentication: new AuthenticationV1Api(configuration),
  authorization: new AuthorizationV1Api(configuration),
  core: new CoreV1Api(configuration),
  version: new VersionApi(configuration),
  wellKnown: new WellKnownApi(configuration)
})

const Version = Schema.Struct({ gitVersion: Schema.String })
const Who = Schema.Struct({ status: Schema.Struct({ userInfo: Schema.Struct({ username: Schema.String }) }) })
const Access = Schema.Struct({ status: Schema.Struct({ allowed: Schema.Boolean }) })
const Discovery = Schema.Struct({ issuer: Schema.String })
const Namespaces = Schema.Struct({
  items: Schema.Array(Schema.Struct({ metadata: Schema.Struct({ name: Schema.String }) }))
})

const reader = <A, B>(schema: Schema.Codec<A, unknown>, pick: (value: A) => B) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (value: unknown) => Option.map(decode(value), pick)
}

/** Makes the review of a cluster; what is wrong with its configuration fails here. */
export const make = Effect.fnUntraced(function* (config: ClusterConfig, timeout: Duration.Duration) {
  const cluster = yield* load(config)
  const { call } = yield* Call.make(cluster, timeout, apis(cluster.configuration))
  const known =
    <A>(otherwise: A) =>
    <E>(answer: Effect.Effect<Option.Option<A>, E>): Effect.Effect<A, E> =>
      Effect.map(
        answer,
        Option.getOrElse(() => otherwise)
      )
  return {
    version: call({
      request: { verb: "get", resource: "version", template: "/version" },
      method: ({ version }, sending) => version.getCode({}, options(sending)),
      decode: reader(Version, ({ gitVersion }) => gitVersion)
    }).pipe(known("unknown")),
    whoAmI: call({
      request: {
        verb: "create",
        resource: "selfsubjectreviews",
        template: "/apis/authentication.k8s.io/v1/selfsubjectreviews"
      },
      method: ({ authentication }, sending) => authentication.createSelfSubjectReview({ body: {} }, options(sending)),
      decode: reader(Who, ({ status }) => status.userInfo.username)
    }).pipe(known("unknown")),
    mayI: ({ verb, resource, namespace, name }: Right) => {
      const [plural = resource, subresource] = resource.split("/")
      const resourceAttributes = {
        group: "",
        verb,
        resource: plural,
        ...(subresource === undefined ? {} : { subresource }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name })
      }
      return call({
        request: {
          verb: "create",
          resource: "selfsubjectaccessreviews",
          template: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        },
        method: ({ authorization }, sending) =>
          authorization.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } }, options(sending)),
        decode: reader(Access, ({ status }) => status.allowed)
      }).pipe(known(false))
    },
    issuer: call({
      request: { verb: "get", resource: "openid-configuration", template: "/.well-known/openid-configuration" },
      method: ({ wellKnown }, sending) => wellKnown.getServiceAccountIssuerOpenIDConfiguration({}, options(sending)),
      decode: (value) =>
        Option.some(
          Option.map(
            Schema.decodeUnknownOption(Schema.Union([Discovery, Schema.fromJsonString(Discovery)]))(value),
            ({ issuer }) => issuer
          )
        )
    }).pipe(known(Option.none<string>())),
    listNamespaces: call({
      request: { verb: "list", resource: "namespaces", template: "/api/v1/namespaces" },
      method: ({ core }, sending) => core.listNamespace({}, options(sending)),
      decode: reader(Namespaces, ({ items }) => items.map(({ metadata }) => metadata.name))
    }).pipe(known<ReadonlyArray<string>>([]))
  } satisfies SelfReview
})
