{{- define "hlo-agent.mounts" -}}
{{- if include "hlo-agent.ownMappings" . }}
- name: mappings
  mountPath: /etc/hlo-agent/mappings
  readOnly: true
{{- end }}
{{- if include "hlo-agent.ownPolicies" . }}
- name: policies
  mountPath: /etc/hlo-agent/policies
  readOnly: true
{{- end }}
{{- if .Values.tenants }}
- name: tenants
  mountPath: /etc/hlo-agent/tenants
  readOnly: true
{{- end }}
{{- if .Values.clusters.files }}
- name: clusters
  mountPath: /etc/hlo-agent/clusters
  readOnly: true
{{- end }}
{{- range $name, $from := .Values.settingsFrom }}
{{- if include "hlo-agent.isFile" $name }}
- name: {{ include "hlo-agent.volumeOf" $name }}
  mountPath: /etc/hlo-agent/{{ include "hlo-agent.volumeOf" $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hlo-agent.volumes" -}}
{{- if include "hlo-agent.ownMappings" . }}
- name: mappings
  {{- include "hlo-agent.projected" (list (printf "%s-mappings" (include "hlo-agent.fullname" .)) .Values.mappings) | nindent 2 }}
{{- end }}
{{- if include "hlo-agent.ownPolicies" . }}
- name: policies
  {{- include "hlo-agent.projected" (list (printf "%s-policies" (include "hlo-agent.fullname" .)) .Values.policies) | nindent 2 }}
{{- end }}
{{- if .Values.tenants }}
- name: tenants
  configMap:
    name: {{ include "hlo-agent.fullname" . }}-tenants
{{- end }}
{{- with .Values.clusters.files }}
- name: clusters
  projected:
    defaultMode: 0440
    sources:
    {{- range . }}
    - secret:
        name: {{ . }}
    {{- end }}
{{- end }}
{{- range $name, $from := .Values.settingsFrom }}
{{- if include "hlo-agent.isFile" $name }}
- name: {{ include "hlo-agent.volumeOf" $name }}
  {{- if $from.secret }}
  secret:
    secretName: {{ $from.secret }}
    defaultMode: 0440
    items:
    - key: {{ $from.key }}
      path: {{ $from.key }}
  {{- else }}
  configMap:
    name: {{ $from.configMap }}
    items:
    - key: {{ $from.key }}
      path: {{ $from.key }}
  {{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* One folder of the chart's own ConfigMap, if there is one, and of those that exist already. */}}
{{- define "hlo-agent.projected" -}}
{{- $name := index . 0 }}
{{- $from := index . 1 -}}
projected:
  sources:
  {{- if $from.extra }}
  - configMap:
      name: {{ $name }}
  {{- end }}
  {{- range $from.configMaps }}
  - configMap:
      name: {{ . }}
  {{- end }}
{{- end -}}
