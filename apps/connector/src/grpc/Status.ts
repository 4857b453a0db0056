/**
 * gRPC status codes of failures. Flyte drops them, but logs and other callers do not.
 */
import { status } from "@grpc/grpc-js"
import type { Failure } from "../call/ConnectorError.ts"

/**
 * The code that tells a caller what kind of failure this is.
 */
export const codeOf = (failure: Failure): status => {
  const { reason } = failure
  switch (reason._tag) {
    case "SettingInvalid":
    case "InstanceMissing":
    case "InstanceRefused":
    case "NamespaceAmbiguous":
    case "NamespaceInvalid":
    case "JobSpecInvalid":
    case "JobMetadataInvalid":
    case "RequestRejected":
    case "RequestIncomplete":
    case "PageTokenInvalid":
      return status.INVALID_ARGUMENT
    case "CredentialsMissing":
    case "CredentialsBroken":
    case "IdentityChanged":
    case "ModeUnavailable":
    case "AuthClosed":
      return status.FAILED_PRECONDITION
    case "IdentityRefused":
    case "NamespaceNotServed":
    case "TaskOverrideRefused":
    case "AccessForbidden":
    case "PermissionDenied":
    case "MetadataRefused":
      return status.PERMISSION_DENIED
    case "TokenRefused":
    case "ExchangeRefused":
      return status.UNAUTHENTICATED
    case "KubernetesUnavailable":
    case "TokenEndpointUnavailable":
    case "TokenResponseInvalid":
    case "JobsUnavailable":
    case "ResponseInvalid":
    case "Overloaded":
    case "AuditUnavailable":
      return status.UNAVAILABLE
    case "RunNotFound":
    case "TaskTypeUnknown":
      return status.NOT_FOUND
    case "DeadlinePassed":
      return status.DEADLINE_EXCEEDED
    case "MetricsUnavailable":
      return status.UNIMPLEMENTED
    case "RunNotCancelled":
      return codeOf(reason.refusal)
  }
}
