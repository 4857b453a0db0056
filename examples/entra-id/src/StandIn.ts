/** A stand-in for Entra ID's token endpoint, in place of the network: it gives another token for each secret. */
import { Effect, Hash, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

export const layer = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, { href }) =>
    Effect.sync(() => {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const form = new URLSearchParams(body)
      const isKnown =
        href === "https://login.microsoftonline.com/contoso/oauth2/v2.0/token" &&
        form.get("scope") === "2ff814a6-3304-4ab8-94cb-cd0e6f879c1d/.default" &&
        form.get("client_id")?.startsWith("app-") === true
      const answer = isKnown
        ? { token_type: "Bearer", expires_in: 3599, access_token: `eyJ-${Hash.hash(form.get("client_secret"))}` }
        : { error: "invalid_client", error_description: `AADSTS7000215: invalid client secret` }
      return HttpClientResponse.fromWeb(request, Response.json(answer, { status: isKnown ? 200 : 401 }))
    })
  )
)
