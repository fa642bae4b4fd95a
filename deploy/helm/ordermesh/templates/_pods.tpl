{{/* What all pods and containers have in common. */}}

{{/* Pod Security `restricted`: (dict "user" uid). */}}
{{- define "ordermesh.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "ordermesh.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* A list of variables from a map of names and values. */}}
{{- define "ordermesh.variables" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ include "ordermesh.text" $value | quote }}
{{- end }}
{{- end }}

{{/* A value as text. Numbers of a file of values are floating-point: 604800000 would be 6.048e+08. */}}
{{- define "ordermesh.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ . | int64 }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* A map of settings, whose values are quoted texts. */}}
{{- define "ordermesh.texts" -}}
{{- range $name, $value := . }}
{{ $name }}: {{ include "ordermesh.text" $value | quote }}
{{- end }}
{{- end }}

{{/* The volumes and mounts of Secrets: (dict folder secret). Each is a folder below /secrets; of an authority, only its
certificate, since its Secret may hold its key. */}}
{{- define "ordermesh.secretVolumes" -}}
{{- range $folder, $secret := . }}
- name: {{ $folder }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440{{ if hasSuffix "-ca" $folder }}, items: [{key: ca.crt, path: ca.crt}]{{ end }}}
{{- end }}
{{- end }}

{{- define "ordermesh.secretMounts" -}}
{{- range $folder, $secret := . }}
- {name: {{ $folder }}, mountPath: /secrets/{{ $folder }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Where the pods of a component may and should run: (list root component values). */}}
{{- define "ordermesh.placement" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- include "ordermesh.selector" (list $root $component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The logins of registries, for the spec of a pod: begins with a new line, or is empty. */}}
{{- define "ordermesh.pullSecrets" }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The head of a pod's spec: (list root component values user). */}}
{{- define "ordermesh.podHead" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ include "ordermesh.fullname" $root }}-{{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "ordermesh.podSecurity" (index . 3) | nindent 2 }}
{{- include "ordermesh.pullSecrets" $root }}
{{- with include "ordermesh.placement" (list $root (index . 1) (index . 2)) | trim }}
{{ . }}
{{- end }}
{{- end }}

{{/* A container of our image, up to its ports: (dict root, name, args, environment, secrets, extraEnv). */}}
{{- define "ordermesh.container" -}}
name: {{ .name }}
image: {{ include "ordermesh.image" (list .root .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
env:
  {{- $own := mergeOverwrite (dict "ORDERMESH_LOG_LEVEL" .root.Values.logLevel) .environment }}
  {{- range .extraEnv }}{{ $own = omit $own .name }}{{ end }}
  {{- include "ordermesh.variables" $own | trim | nindent 2 }}
  {{- with .extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  {{- include "ordermesh.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- include "ordermesh.secretMounts" .secrets | trim | nindent 2 }}
{{- end }}

{{- define "ordermesh.tmp" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end }}
