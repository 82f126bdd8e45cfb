{{/* Labels of every object. */}}
{{- define "wsgate.labels" -}}
app.kubernetes.io/part-of: wsgate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By which pods are found, the operator's way included. Takes a list: the root context, the component. */}}
{{- define "wsgate.selector" -}}
app.kubernetes.io/name: wsgate
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Values.gatewayName }}
{{- end }}

{{/* A value as environment variables have it: Helm reads whole numbers as floats. */}}
{{- define "wsgate.text" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else if not (kindIs "invalid" .) }}{{ . }}{{ end }}
{{- end }}

{{/* The data plane's environment without empty values, as YAML. */}}
{{- define "wsgate.env" -}}
{{- $found := dict }}
{{- if and .Values.ingress.enabled .Values.ingress.host }}{{ $_ := set $found "INGRESS_HOST" .Values.ingress.host }}{{ end }}
{{- range $name, $value := .Values.env }}
{{- $text := include "wsgate.text" $value }}
{{- if $text }}{{ $_ := set $found $name $text }}{{ end }}
{{- end }}
{{- toYaml $found }}
{{- end }}

{{/* Secrets without empty values, as YAML. */}}
{{- define "wsgate.secrets" -}}
{{- $found := dict }}
{{- range $name, $value := .Values.secrets }}
{{- $text := include "wsgate.text" $value }}
{{- if $text }}{{ $_ := set $found $name $text }}{{ end }}
{{- end }}
{{- toYaml $found }}
{{- end }}

{{/* What no container of either half may do. */}}
{{- define "wsgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "wsgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Where pods may run, for both halves. */}}
{{- define "wsgate.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Not empty on an install that brings the kind WsRoute; `helm template` has no cluster to ask, and lookup finds nothing. */}}
{{- define "wsgate.kindIsMissing" -}}
{{- if and .Release.IsInstall .Values.crds.install (lookup "v1" "Namespace" "" "kube-system") }}
{{- if not (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "wsroutes.wsgate.dev") }}yes{{ end }}
{{- end }}
{{- end }}
