{{- /* Names and labels. */ -}}

{{- define "precisionpulse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough that the name of a pod, with its suffixes, is a worker's id (64 characters). */ -}}
{{- define "precisionpulse.fullname" -}}
{{- $name := include "precisionpulse.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "precisionpulse.selector" -}}
app.kubernetes.io/name: {{ include "precisionpulse.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "precisionpulse.labels" -}}
{{ include "precisionpulse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "precisionpulse.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}/{{ .service }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}

{{- define "precisionpulse.architecture" -}}
{{ .Files.Get "files/architecture.yaml" }}
{{- end -}}
