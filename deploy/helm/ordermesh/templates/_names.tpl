{{/* Names, labels and images. A full name has at most 35 characters, so that every name fits into a label. */}}

{{- define "ordermesh.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if contains $name .Release.Name }}{{ $full = .Release.Name }}{{ end }}
{{- $full = default $full .Values.fullnameOverride | replace "." "-" }}
{{- /* Two long names that begin alike stay two. */}}
{{- if gt (len $full) 35 }}{{ $full = printf "%s-%s" ($full | trunc 26 | trimSuffix "-") (sha256sum $full | trunc 8) }}{{ end }}
{{- $full }}
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
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
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

{{/* The host names that the front proxy serves, separated by commas. */}}
{{- define "ordermesh.frontHosts" -}}
{{- concat (include "ordermesh.innerHosts" . | splitList ",") (include "ordermesh.outerHosts" . | splitList ",") | uniq | compact | join "," }}
{{- end }}

{{/* The front proxy's name in the cluster, in each form that a client may use. */}}
{{- define "ordermesh.innerHosts" -}}
{{- $name := printf "%s-envoy" (include "ordermesh.fullname" .) }}
{{- $ns := .Release.Namespace }}
{{- list $name (printf "%s.%s" $name $ns) (printf "%s.%s.svc" $name $ns) (printf "%s.%s.svc.cluster.local" $name $ns) | join "," }}
{{- end }}

{{/* Its names elsewhere. */}}
{{- define "ordermesh.outerHosts" -}}
{{- $hosts := .Values.front.hosts }}
{{- with .Values.gatewayApi }}{{ if .enabled }}{{ $hosts = concat $hosts .httpHostnames .grpcHostnames }}{{ end }}{{ end }}
{{- $hosts | uniq | join "," }}
{{- end }}
