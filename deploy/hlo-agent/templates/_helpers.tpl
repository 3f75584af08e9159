{{- define "hlo-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 55 characters: "-metrics" must fit behind it. */}}
{{- define "hlo-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "hlo-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hlo-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hlo-agent.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "hlo-agent.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hlo-agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hlo-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "hlo-agent.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A setting's value as text; all numbers of values files are floating point. */}}
{{- define "hlo-agent.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 .) (floor .)) -}}{{ . | int64 }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "hlo-agent.objectsNamespace" -}}
{{- default "default" .Values.settings.NAMESPACE -}}
{{- end -}}

{{- define "hlo-agent.ownMappings" -}}
{{- if or .Values.mappings.extra .Values.mappings.configMaps -}}yes{{- end -}}
{{- end -}}

{{- define "hlo-agent.ownPolicies" -}}
{{- if or .Values.policies.extra .Values.policies.configMaps -}}yes{{- end -}}
{{- end -}}

{{/* Whether a setting is a file: its name. */}}
{{- define "hlo-agent.isFile" -}}
{{- if or (hasSuffix "_FILE" .) (eq . "KUBECONFIG") (eq . "HOMING_SYSTEMS") -}}yes{{- end -}}
{{- end -}}

{{- define "hlo-agent.volumeOf" -}}
setting-{{ . | lower | replace "_" "-" }}
{{- end -}}

{{/* A probe of the operators' listener, which may speak TLS. */}}
{{- define "hlo-agent.probe" -}}
{{- $probe := deepCopy (index . 1) }}
{{- if and (hasKey (index . 0).Values.settingsFrom "OPS_TLS_CERT_FILE") (hasKey $probe "httpGet") }}
{{- $_ := set $probe.httpGet "scheme" "HTTPS" }}
{{- end }}
{{- toYaml $probe }}
{{- end -}}

{{/* TENANTS_FILE. */}}
{{- define "hlo-agent.tenants" -}}
{{- range .Values.tenants }}
---
apiVersion: hlo-agent.github.io/v1alpha1
kind: Tenant
metadata:
  name: {{ .name }}
spec:
  namespace: {{ .namespace }}
  {{- with .serviceAccount }}
  serviceAccount: {{ . }}
  {{- end }}
  {{- with .settings }}
  settings:
    {{- range $name, $value := . }}
    {{ $name }}: {{ include "hlo-agent.text" $value | quote }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The rules for the Lease of the election, as a list under "rules": .id is AGENT_ID, .domains DOMAIN_ID, .namespace that of the
objects. Without either the name is not known before the broker was asked, and the rules hold for any Lease there. */}}
{{- define "hlo-agent.electionRules" -}}
{{- $id := .id | toString | trim }}
{{- if and (not $id) (.domains | toString | nospace) }}
{{- $names := list }}
{{- range splitList "," (.domains | toString) }}
{{- with . | trim }}
{{- $names = append $names (eq . "*" | ternary "all" (. | trimPrefix "urn:ngsi-ld:" | trimPrefix "Domain:")) }}
{{- end }}
{{- end }}
{{- $full := printf "%s.%s" ($names | sortAlpha | join ".") .namespace }}
{{- $id = regexReplaceAll "[^A-Za-z0-9.-]+" $full "-" | trimAll "-." }}
{{- if or (ne $id $full) (gt (len $id) 63) }}
{{- $id = printf "%s-%s" (regexReplaceAll "[-.]+$" (trunc 54 $id) "") (sha256sum $full | trunc 8) }}
{{- end }}
{{- end }}
{{- $of := dict "apiGroups" (list "coordination.k8s.io") "resources" (list "leases") }}
{{- if $id }}
{{- $name := regexReplaceAll "[.-]*\\.[.-]*" ($id | lower | replace "_" "-") "." }}
{{- if ne $name $id }}
{{- $name = printf "%s-%s" $name (sha256sum $id | trunc 8) }}
{{- end }}
{{- $own := merge (dict "verbs" (list "get" "update") "resourceNames" (list (printf "hlo-agent-%s" $name))) $of }}
{{- dict "rules" (list (merge (dict "verbs" (list "create")) $of) $own) | toYaml }}
{{- else }}
{{- dict "rules" (list (merge (dict "verbs" (list "get" "create" "update")) $of)) | toYaml }}
{{- end }}
{{- end -}}

{{/* Whether the agent is told who it is by something whose value is not known here. */}}
{{- define "hlo-agent.namedElsewhere" -}}
{{- $names := keys (.Values.settingsFrom | default dict) }}
{{- range .Values.extraEnv }}
{{- $names = append $names .name }}
{{- end }}
{{- if or (has "AGENT_ID" $names) (has "DOMAIN_ID" $names) (has "NAMESPACE" $names) -}}yes{{- end -}}
{{- end -}}
