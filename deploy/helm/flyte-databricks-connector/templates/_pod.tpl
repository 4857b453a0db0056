{{- /* What the connector's pod and that of its test have in common. */ -}}
{{- define "connector.env" -}}
{{- with .Values.databricks }}
{{- with .instance }}
- name: FLYTE_DATABRICKS_INSTANCE
  value: {{ . | quote }}
{{- end }}
{{- with .authType }}
- name: FLYTE_DATABRICKS_AUTH_TYPE
  value: {{ . | quote }}
{{- end }}
- name: FLYTE_DATABRICKS_NAMESPACE_IDENTITY
  value: {{ .namespaceIdentity | quote }}
{{- with .clientId }}
- name: FLYTE_DATABRICKS_CLIENT_ID
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if .Values.projectedToken.enabled }}
- name: FLYTE_DATABRICKS_OIDC_AUDIENCE
  value: {{ .Values.projectedToken.audience | quote }}
{{- end }}
- name: FLYTE_DATABRICKS_PROMETHEUS_PORT
  value: {{ ternary .Values.metrics.port 0 .Values.metrics.enabled | quote }}
{{- range $name, $value := .Values.databricks.settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with .Values.extraEnv }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}

{{- define "connector.volumeMounts" -}}
{{- if .Values.projectedToken.enabled }}
- name: databricks-token
  mountPath: /var/run/secrets/databricks
  readOnly: true
{{- end }}
{{- if .Values.databricks.secretName }}
- name: secrets
  mountPath: /etc/secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}

{{- define "connector.volumes" -}}
{{- if .Values.projectedToken.enabled }}
- name: databricks-token
  projected:
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ .Values.projectedToken.audience | quote }}
          expirationSeconds: {{ .Values.projectedToken.expirationSeconds }}
{{- end }}
{{- with .Values.databricks.secretName }}
- name: secrets
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.extraVolumes }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}
