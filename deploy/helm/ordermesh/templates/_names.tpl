{{/* Names, labels and images. A full name has at most 35 characters, so that every name fits into a label. */}}

{{- define "ordermesh.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 35 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 35 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 35 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* The labels of the objects of a component: (list root component). */}}
{{- define "ordermesh.labels" -}}
{{- $root := index . 0 -}}
{{ include "ordermesh.selector" . }}
app.kubernetes.io/part-of: ordermesh
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of the pods of a component; none changes with the version, which would make new pods: (list root component). */}}
{{- define "ordermesh.podLabels" -}}
{{ include "ordermesh.selector" . }}
app.kubernetes.io/part-of: ordermesh
{{- with (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component, and never changes: (list root component). */}}
{{- define "ordermesh.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image by digest, or else by tag: (list root image), the tag of the chart by default. */}}
{{- define "ordermesh.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- $registry := $image.registry | default $root.Values.image.registry }}
{{- $tag := $image.tag | default $root.Chart.AppVersion }}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* The front proxy's name in the cluster, in each form that a client may use. */}}
{{- define "ordermesh.frontHosts" -}}
{{- $name := printf "%s-envoy" (include "ordermesh.fullname" .) }}
{{- $ns := .Release.Namespace }}
{{- $own := list $name (printf "%s.%s" $name $ns) (printf "%s.%s.svc" $name $ns) (printf "%s.%s.svc.cluster.local" $name $ns) }}
{{- concat $own .Values.front.hosts .Values.gatewayApi.httpHostnames .Values.gatewayApi.grpcHostnames | uniq | join "," }}
{{- end }}
