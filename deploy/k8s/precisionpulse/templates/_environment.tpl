{{- /* What a service is told by its environment: `root`, `service`, `facts` (its entry of architecture.yaml). */ -}}

{{- /* Whether a conditional secret is used: `true` or nothing. */ -}}
{{- define "precisionpulse.when" -}}
{{- $values := .root.Values -}}
{{- if eq .when "always" }}true
{{- else if eq .when "emqx" }}{{ if $values.mqtt.emqx.enabled }}true{{ end }}
{{- else if eq .when "mosquitto" }}{{ if not $values.mqtt.emqx.enabled }}true{{ end }}
{{- else if eq .when "signIn" }}{{ if $values.signIn.issuer }}true{{ end }}
{{- else if eq .when "mailUser" }}{{ if and $values.mail.host $values.mail.username }}true{{ end }}
{{- else }}{{ fail (printf "architecture.yaml names an unknown condition: %s" .when) }}
{{- end -}}
{{- end -}}

{{- define "precisionpulse.environment" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $values := $root.Values -}}
{{- $facts := .facts -}}
{{- $fullname := include "precisionpulse.fullname" $root -}}
{{- $plain := dict
  "PULSE_HTTP_HOST" "0.0.0.0"
  "PULSE_HTTP_PORT" "8000"
  "PULSE_IDENTITY_URL" (printf "http://%s-identity:8000" $fullname)
  "PULSE_TRUSTED_PROXIES" $values.trustedProxies
  "PULSE_LOG_LEVEL" $values.log.level
  "PULSE_LOG_FORMAT" "json"
-}}
{{- with $values.tracing.endpoint -}}
  {{- $_ := set $plain "PULSE_TRACES_ENDPOINT" . -}}
  {{- $_ := set $plain "PULSE_TRACES_RATIO" (toString $values.tracing.ratio) -}}
{{- end -}}
{{- with $values.allowedOrigins }}{{ $_ := set $plain "PULSE_ALLOWED_ORIGINS" . }}{{ end -}}
{{- if has "mqtt" $facts.uses -}}
  {{- $_ := set $plain "PULSE_MQTT_HOST" (required "mqtt.host: where the broker is" $values.mqtt.host) -}}
  {{- $_ := set $plain "PULSE_MQTT_PORT" (toString $values.mqtt.port) -}}
  {{- if ne $service "identity" }}{{ $_ := set $plain "PULSE_MQTT_USERNAME" (printf "svc-%s" $service) }}{{ end -}}
  {{- if $values.mqtt.tls.enabled }}{{ $_ := set $plain "PULSE_MQTT_CA_FILE" "/etc/precisionpulse/mqtt/ca.crt" }}{{ end -}}
{{- end -}}
{{- if and (has "mail" $facts.uses) $values.mail.host -}}
  {{- $_ := set $plain "PULSE_MAIL_HOST" $values.mail.host -}}
  {{- $_ := set $plain "PULSE_MAIL_PORT" (toString $values.mail.port) -}}
  {{- $_ := set $plain "PULSE_MAIL_TLS" $values.mail.tls -}}
  {{- $_ := set $plain "PULSE_MAIL_FROM" (required "mail.from: the sender's address" $values.mail.from) -}}
  {{- with $values.mail.username }}{{ $_ := set $plain "PULSE_MAIL_USERNAME" . }}{{ end -}}
{{- end -}}
{{- if eq $service "identity" -}}
  {{- $_ := set $plain "PULSE_IDENTITY_ADMIN_USERNAME" $values.admin.username -}}
  {{- if $values.mqtt.emqx.enabled -}}
    {{- $_ := set $plain "PULSE_IDENTITY_BROKER" "emqx" -}}
    {{- $_ := set $plain "PULSE_IDENTITY_EMQX_URL" (required "mqtt.emqx.apiUrl: EMQX's management API" $values.mqtt.emqx.apiUrl) -}}
  {{- end -}}
  {{- $public := $values.mqtt.public -}}
  {{- with $public.host }}{{ $_ := set $plain "PULSE_IDENTITY_MQTT_PUBLIC_HOST" . }}{{ end -}}
  {{- with $public.port }}{{ $_ := set $plain "PULSE_IDENTITY_MQTT_PUBLIC_PORT" (toString .) }}{{ end -}}
  {{- with $public.tlsPort }}{{ $_ := set $plain "PULSE_IDENTITY_MQTT_TLS_PORT" (toString .) }}{{ end -}}
  {{- if $values.mqtt.tls.enabled }}{{ $_ := set $plain "PULSE_IDENTITY_MQTT_CA_FILE" "/etc/precisionpulse/mqtt/ca.crt" }}{{ end -}}
  {{- with $values.signIn -}}
  {{- if .issuer -}}
    {{- $_ := set $plain "PULSE_IDENTITY_OIDC_ISSUER" .issuer -}}
    {{- $_ := set $plain "PULSE_IDENTITY_OIDC_CLIENT_ID" (required "signIn.clientId" .clientId) -}}
    {{- $_ := set $plain "PULSE_IDENTITY_OIDC_REDIRECT_URL" (required "signIn.redirectUrl" .redirectUrl) -}}
    {{- with .name }}{{ $_ := set $plain "PULSE_IDENTITY_OIDC_NAME" . }}{{ end -}}
    {{- with .roles }}{{ $_ := set $plain "PULSE_IDENTITY_OIDC_ROLES" . }}{{ end -}}
  {{- end -}}
  {{- end -}}
{{- end -}}
{{- if eq $service "gateway" -}}
  {{- if $values.releases.claim }}{{ $_ := set $plain "PULSE_GATEWAY_RELEASES_DIR" "/opt/pulse/releases" }}{{ end -}}
  {{- range $other := $facts.calls -}}
    {{- $_ := set $plain (printf "PULSE_GATEWAY_%s_URL" (upper $other)) (printf "http://%s-%s:8000" $fullname $other) -}}
  {{- end -}}
{{- end -}}
{{- $plain = mergeOverwrite $plain (index $values.services $service).env -}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with $facts.workerVariable }}
- name: {{ . }}
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- range $facts.secrets }}
{{- if include "precisionpulse.when" (dict "root" $root "when" (default "always" .when)) }}
- name: {{ .variable }}
  value: /run/secrets/precisionpulse/{{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "precisionpulse.volumeMounts" -}}
- {name: secrets, mountPath: /run/secrets/precisionpulse, readOnly: true}
{{- if and (has "mqtt" .facts.uses) .root.Values.mqtt.tls.enabled }}
- {name: mqtt-ca, mountPath: /etc/precisionpulse/mqtt, readOnly: true}
{{- end }}
{{- if and (eq (default "" .service) "gateway") .root.Values.releases.claim }}
- {name: releases, mountPath: /opt/pulse/releases, readOnly: true}
{{- end }}
- {name: scratch, mountPath: /tmp}
{{- end -}}

{{- define "precisionpulse.volumes" -}}
{{- $root := .root -}}
- name: secrets
  secret:
    secretName: {{ required "secrets.existingSecret: the name of a Secret with the keys of README.md" $root.Values.secrets.existingSecret }}
    defaultMode: 0440
    items:
      {{- range .facts.secrets }}
      {{- if include "precisionpulse.when" (dict "root" $root "when" (default "always" .when)) }}
      - {key: {{ .key }}, path: {{ .key }}}
      {{- end }}
      {{- end }}
{{- if and (has "mqtt" .facts.uses) $root.Values.mqtt.tls.enabled }}
- name: mqtt-ca
  configMap:
    name: {{ required "mqtt.tls.caConfigMap: a ConfigMap with the broker's authority under ca.crt" $root.Values.mqtt.tls.caConfigMap }}
    items:
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- if and (eq (default "" .service) "gateway") $root.Values.releases.claim }}
- name: releases
  persistentVolumeClaim: {claimName: {{ $root.Values.releases.claim }}, readOnly: true}
{{- end }}
- name: scratch
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{- define "precisionpulse.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.security.userId }}
runAsGroup: {{ .Values.security.userId }}
fsGroup: {{ .Values.security.userId }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "precisionpulse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
