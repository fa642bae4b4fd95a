{{/*
A service of our image: Deployment, headless Service, ServiceAccount, PodDisruptionBudget. (list root name spec), where
spec has args, environment, secrets {folder: Secret}, ports {name: number}, and maybe
  schema   arguments of the program that waits until the database has the migrations of this image
  grpc     name of the service whose health tells that it is ready; without it, /health of the metrics port does
*/}}
{{- define "ordermesh.service" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $spec := index . 2 }}
{{- $values := index $root.Values $name }}
{{- $full := printf "%s-%s" (include "ordermesh.fullname" $root) $name }}
{{- $labels := list $root $name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $full }}
  labels:
    {{- include "ordermesh.labels" $labels | nindent 4 }}
spec:
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # A new pod is ready before an old one goes: a version that does not become ready harms nobody.
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector:
    matchLabels:
      {{- include "ordermesh.selector" $labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "ordermesh.podLabels" $labels | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "ordermesh.podHead" (list $root $name $values 10001) | nindent 6 }}
      terminationGracePeriodSeconds: {{ $root.Values.shutdown.graceSeconds }}
      {{- if $spec.schema }}
      initContainers:
        - {{ include "ordermesh.container" (dict "root" $root "name" "schema" "args" $spec.schema "environment" (pick $spec.environment "ORDERMESH_ORDERS_DSN" "ORDERMESH_ANALYTICS_DSN" "ORDERMESH_POSTGRES_PASSWORD_FILE") "secrets" (pick $spec.secrets "postgresql" "postgresql-ca") "extraEnv" $values.extraEnv) | nindent 10 | trim }}
          resources:
            {{- toYaml $root.Values.jobs.resources | nindent 12 }}
      {{- end }}
      containers:
        - {{ include "ordermesh.container" (dict "root" $root "name" $name "args" $spec.args "environment" $spec.environment "secrets" $spec.secrets "extraEnv" $values.extraEnv) | nindent 10 | trim }}
          ports:
            {{- range $port, $number := $spec.ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          {{- include "ordermesh.probes" (dict "root" $root "grpc" $spec.grpc "ports" $spec.ports) | nindent 10 }}
          {{- if $spec.grpc }}
          # Callers see in DNS that the pod goes, before it stops to accept calls.
          lifecycle: {preStop: {sleep: {seconds: {{ $root.Values.shutdown.leaveSeconds }}}}}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
      volumes:
        {{- include "ordermesh.tmp" . | nindent 8 }}
        {{- include "ordermesh.secretVolumes" $spec.secrets | trim | nindent 8 }}
---
# Headless: its name resolves to every pod that is ready.
apiVersion: v1
kind: Service
metadata:
  name: {{ $full }}-headless
  labels:
    {{- include "ordermesh.labels" $labels | nindent 4 }}
spec:
  clusterIP: None
  selector:
    {{- include "ordermesh.selector" $labels | nindent 4 }}
  ports:
    {{- range $port, $number := $spec.ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}{{ if and (hasPrefix "grpc" $port) (not $root.Values.tls.services.enabled) }}, appProtocol: kubernetes.io/h2c{{ end }}}
    {{- end }}
---
{{ include "ordermesh.account" $labels }}
{{- include "ordermesh.disruption" (list $root $name $values) }}
{{- end }}

{{/* The account of a component, which has no token: (list root component). */}}
{{- define "ordermesh.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "ordermesh.fullname" (index . 0) }}-{{ index . 1 }}
  labels:
    {{- include "ordermesh.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{/* The disruption budget of a component with several replicas: (list root component values). */}}
{{- define "ordermesh.disruption" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $values := index . 2 }}
{{- $least := $values.replicas }}
{{- if $values.autoscaling.enabled }}{{ $least = $values.autoscaling.minReplicas }}{{ end }}
{{- if and $values.podDisruptionBudget.enabled (gt (int $least) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "ordermesh.fullname" $root }}-{{ $name }}
  labels:
    {{- include "ordermesh.labels" (list $root $name) | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready protects nothing, and must not keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "ordermesh.selector" (list $root $name) | nindent 6 }}
{{- end }}
{{- end }}

{{/* The probes of a program: (dict root, grpc, ports). */}}
{{- define "ordermesh.probes" -}}
{{- $ready := dict "httpGet" (dict "path" "/health" "port" "metrics") }}
{{- /* The kubelet has no certificate for a gRPC probe. */}}
{{- if and .grpc (not .root.Values.tls.services.enabled) }}
{{- $ready = dict "grpc" (dict "port" .ports.grpc "service" .grpc) }}
{{- end -}}
startupProbe:
  {{- toYaml $ready | nindent 2 }}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  {{- toYaml $ready | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  # Fails while the process stands still.
  httpGet: {path: /health/live, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* The most pods of a service; of processors, no more than have a partition to read: (list root name). */}}
{{- define "ordermesh.maxReplicas" -}}
{{- $root := index . 0 }}{{ $most := (index $root.Values (index . 1)).autoscaling.maxReplicas }}
{{- if eq (index . 1) "processor" }}{{ $most = min $most (divf $root.Values.kafka.partitions $root.Values.processor.workers | ceil) }}{{ end }}
{{- $most }}
{{- end }}
