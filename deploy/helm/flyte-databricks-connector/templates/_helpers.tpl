{{- define "connector.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "connector.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "connector.fullname" .) -}}
{{- end -}}

{{- define "connector.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: connector
{{- end -}}

{{- define "connector.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: flyte
{{- end -}}

{{- define "connector.labels" -}}
{{ include "connector.selectorLabels" . }}
{{ include "connector.commonLabels" . }}
{{- end -}}

{{- define "connector.image" -}}
{{- $repository := required "image.repository is not set: name where the image built from deploy/Containerfile was pushed to" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "connector.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
# Lets that user read the projected tokens.
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "connector.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{- /* What a mode has to read, by the name of the Secret or ServiceAccount: the rules of deploy/rbac. */ -}}
{{- define "connector.rules" -}}
{{- if eq .mode "oidc_federation" -}}
# To find the ServiceAccount that is labelled flyte.org/databricks-enabled=true. Kubernetes cannot limit a list to names.
- apiGroups: [""]
  resources: ["serviceaccounts"]
  verbs: ["list"]
# To get tokens of it (TokenRequest), and of no other.
- apiGroups: [""]
  resources: ["serviceaccounts/token"]
  resourceNames: [{{ .name | default "databricks" | quote }}]
  verbs: ["create"]
{{- else -}}
- apiGroups: [""]
  resources: ["secrets"]
  resourceNames: [{{ .name | default (ternary "databricks-token" "databricks-oauth" (eq .mode "pat")) | quote }}]
  verbs: ["get"]
{{- end -}}
{{- end -}}

{{- /* The command that lets these tokens in as a service principal's; $ISSUER is set before. */ -}}
{{- define "connector.policy" -}}
databricks account service-principal-federation-policy create SP_ID --json '{"oidc_policy": {
  "issuer": "'$ISSUER'", "audiences": ["{{ .audience }}"], "subject": "{{ .subject }}"}}'
{{- end -}}

{{- /* The Secret or ServiceAccount that is read, as `kubectl auth can-i` names the right to it. */ -}}
{{- define "connector.checks" -}}
{{- if eq .mode "oidc_federation" }}
kubectl auth can-i list serviceaccounts --namespace {{ .namespace }} --as {{ .as }}
kubectl auth can-i create serviceaccounts/{{ .name | default "databricks" }} --subresource=token --namespace {{ .namespace }} --as {{ .as }}
{{- else }}
kubectl auth can-i get secrets/{{ .name | default (ternary "databricks-token" "databricks-oauth" (eq .mode "pat")) }} --namespace {{ .namespace }} --as {{ .as }}
{{- end }}
{{- end -}}

{{- /* Where an alert's section can be read, if it can. */ -}}
{{- define "connector.runbook" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.metrics.prometheusRule.runbook -}}
runbook_url: {{ . }}#{{ index $ 1 }}
{{- end -}}
{{- end -}}
