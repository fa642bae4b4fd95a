{{/* How a program reaches its database and Kafka: variables, volumes and the names of Secrets. */}}

{{/* Host, port, name and parameters of a database, as YAML: (list root "orders"|"analytics"). */}}
{{- define "ordermesh.database" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
{{- $database := index $root.Values (printf "%sDatabase" $name) }}
{{- $full := include "ordermesh.fullname" $root }}
{{- $host := $database.host }}
{{- if $root.Values.postgresql.enabled }}{{ $host = printf "%s-postgresql" $full }}
{{- else if $root.Values.cnpg.enabled }}{{ $host = printf "%s-%s-db-rw" $full $name }}
{{- end }}
host: {{ required (printf "%sDatabase.host is required, or postgresql.enabled, or cnpg.enabled" $name) $host | quote }}
port: {{ $database.port }}
name: {{ $database.name | quote }}
{{- end }}

{{/* The Secret with the password of a role: (list root "orders"|"analytics" role). */}}
{{- define "ordermesh.passwordSecret" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $role := index . 2 }}
{{- $existing := index $root.Values (printf "%sDatabase" $name) "existingSecrets" $role }}
{{- if $existing }}{{ $existing }}
{{- else if and $root.Values.credentials.generate (or $root.Values.postgresql.enabled $root.Values.cnpg.enabled) }}{{ include "ordermesh.fullname" $root }}-postgresql-{{ $name }}-{{ $role }}
{{- else }}{{ fail (printf "%sDatabase.existingSecrets.%s is required, or credentials.generate with databases in the release" $name $role) }}
{{- end }}
{{- end }}

{{/* The folders of Secrets of a database: (list root "orders"|"analytics" role). */}}
{{- define "ordermesh.databaseSecrets" -}}
postgresql: {{ include "ordermesh.passwordSecret" . | quote }}
{{- with include "ordermesh.databaseAuthority" . }}
postgresql-ca: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The Secret with the authority of a database's certificate: (list root "orders"|"analytics"). */}}
{{- define "ordermesh.databaseAuthority" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
{{- if $root.Values.cnpg.enabled }}{{ include "ordermesh.fullname" $root }}-{{ $name }}-db-ca
{{- else }}{{ index $root.Values (printf "%sDatabase" $name) "caSecret" }}
{{- end }}
{{- end }}

{{/* The variables of a database: (list root "orders"|"analytics" role). */}}
{{- define "ordermesh.databaseEnvironment" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $role := index . 2 }}
{{- $database := index $root.Values (printf "%sDatabase" $name) }}
{{- $at := include "ordermesh.database" (list $root $name) | fromYaml }}
{{- $parameters := compact (list $database.parameters) }}
{{- if include "ordermesh.databaseAuthority" . }}
{{- range $parameter, $value := dict "sslmode" "verify-full" "sslrootcert" "/secrets/postgresql-ca/ca.crt" }}
{{- if not (regexMatch (printf "(^|&)%s=" $parameter) $database.parameters) }}
{{- $parameters = append $parameters (printf "%s=%s" $parameter $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $root.Values.cnpg.enabled $root.Values.cnpg.pooler.instances (ne $role "owner") }}
{{- $_ := set $at "host" (printf "%s-%s-pooler" (include "ordermesh.fullname" $root) $name) }}
{{- end }}
{{- $uri := printf "postgresql://%s_%s@%s:%v/%s" $name $role $at.host $at.port $at.name }}
ORDERMESH_{{ upper $name }}_DSN: {{ with $parameters }}{{ printf "%s?%s" $uri (join "&" .) | quote }}{{ else }}{{ quote $uri }}{{ end }}
ORDERMESH_POSTGRES_PASSWORD_FILE: /secrets/postgresql/password
{{- end }}

{{/* The address of Kafka. */}}
{{- define "ordermesh.kafkaBootstrap" -}}
{{- if .Values.kafka.enabled }}{{ include "ordermesh.fullname" . }}-kafka.{{ .Release.Namespace }}.svc:9092
{{- else if .Values.strimzi.enabled }}{{ include "ordermesh.fullname" . }}-kafka-kafka-bootstrap.{{ .Release.Namespace }}.svc:9093
{{- else }}{{ required "kafka.bootstrap is required, or kafka.enabled, or strimzi.enabled" .Values.kafka.bootstrap }}
{{- end }}
{{- end }}

{{/* The Secret of a Kafka user, with the file `properties`: (list root user). */}}
{{- define "ordermesh.kafkaSecret" -}}
{{- $root := index . 0 }}{{ $user := index . 1 }}
{{- $existing := index $root.Values.kafka.existingSecrets $user }}
{{- if $existing }}{{ $existing }}
{{- else if or $root.Values.strimzi.enabled (and $root.Values.credentials.generate $root.Values.kafka.enabled) }}{{ include "ordermesh.fullname" $root }}-kafka-{{ $user }}
{{- else }}{{ fail (printf "kafka.existingSecrets.%s is required" $user) }}
{{- end }}
{{- end }}

{{/* The folders of Secrets of a Kafka user: (list root user). */}}
{{- define "ordermesh.kafkaSecrets" -}}
kafka: {{ include "ordermesh.kafkaSecret" . | quote }}
{{- with index . 0 }}
{{- if .Values.strimzi.enabled }}
kafka-ca: {{ include "ordermesh.fullname" . }}-kafka-cluster-ca-cert
{{- end }}
{{- end }}
{{- end }}

{{/* The variables of a Kafka client. With Strimzi its login is a certificate. */}}
{{- define "ordermesh.kafkaEnvironment" -}}
{{- $files := dict "security.protocol" "SSL" "ssl.ca.location" "/secrets/kafka-ca/ca.crt" "ssl.certificate.location" "/secrets/kafka/user.crt" "ssl.key.location" "/secrets/kafka/user.key" -}}
ORDERMESH_KAFKA_BOOTSTRAP: {{ include "ordermesh.kafkaBootstrap" . | quote }}
{{- if .Values.strimzi.enabled }}
ORDERMESH_KAFKA_PROPERTIES: {{ toJson $files | quote }}
{{- else }}
ORDERMESH_KAFKA_PROPERTIES_FILE: /secrets/kafka/properties
{{- end }}
{{- end }}

{{- define "ordermesh.groupEnvironment" -}}
ORDERMESH_PROCESSOR_GROUP: {{ .Values.kafka.group | quote }}
{{- end }}

{{- define "ordermesh.tokensSecret" -}}
{{- if .Values.tokens.existingSecret }}{{ .Values.tokens.existingSecret }}
{{- else if .Values.credentials.generate }}{{ include "ordermesh.fullname" . }}-tokens
{{- else }}{{ fail "tokens.existingSecret is required, or credentials.generate" }}
{{- end }}
{{- end }}

{{- define "ordermesh.apiKeysSecret" -}}
{{- if .Values.auth.apiKeys.existingSecret }}{{ .Values.auth.apiKeys.existingSecret }}
{{- else if .Values.credentials.generate }}{{ include "ordermesh.fullname" . }}-api-keys
{{- else }}{{ fail "auth.apiKeys.existingSecret is required, or credentials.generate" }}
{{- end }}
{{- end }}

{{/* Where spans are sent; nothing is traced without an endpoint. */}}
{{- define "ordermesh.tracesEnvironment" -}}
{{- with .Values.traces.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ $.Values.traces.share | quote }}
{{- end }}
{{- end }}
