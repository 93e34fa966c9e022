{{- define "heaters.labels" -}}
app.kubernetes.io/name: heaters
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "heaters.selector" -}}
app.kubernetes.io/name: heaters
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "heaters.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "heaters.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "heaters.secret" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}

{{- define "heaters.env" -}}
{{- $v := .root.Values -}}
- {name: HEATERS_NATS_URL, value: {{ $v.nats.url | quote }}}
- {name: HEATERS_NATS_USER, value: {{ .user | quote }}}
{{ include "heaters.secret" (dict "name" "HEATERS_NATS_PASSWORD" "secret" $v.nats.existingSecret "key" .user) }}
- {name: HEATERS_S3_ENDPOINT, value: {{ $v.s3.endpoint | quote }}}
- {name: HEATERS_S3_PUBLIC_ENDPOINT, value: {{ $v.s3.publicEndpoint | quote }}}
- {name: HEATERS_S3_BUCKET, value: {{ $v.s3.bucket | quote }}}
- {name: HEATERS_S3_REGION, value: {{ $v.s3.region | quote }}}
{{ include "heaters.secret" (dict "name" "HEATERS_S3_ACCESS_KEY" "secret" $v.s3.existingSecret "key" "access-key") }}
{{ include "heaters.secret" (dict "name" "HEATERS_S3_SECRET_KEY" "secret" $v.s3.existingSecret "key" "secret-key") }}
- {name: HEATERS_CACHE_DIR, value: /cache}
- {name: HEATERS_LISTEN, value: "0.0.0.0:8080"}
- {name: HEATERS_OTLP_ENDPOINT, value: {{ $v.telemetry.otlpEndpoint | quote }}}
- {name: HEATERS_SERVICE_INSTANCE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- range $name, $value := $v.settings }}
- {name: HEATERS_{{ $name | upper }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{- define "heaters.apiEnv" -}}
{{- $v := .root.Values -}}
{{ include "heaters.env" . }}
- {name: HEATERS_NATS_REPLICAS, value: {{ $v.nats.replicas | quote }}}
{{ include "heaters.secret" (dict "name" "HEATERS_DATABASE_URL" "secret" $v.postgres.existingSecret "key" "url") }}
- {name: HEATERS_PUBLIC_URL, value: {{ printf "https://%s" $v.ingress.host | quote }}}
- {name: HEATERS_TRUSTED_PROXIES, value: {{ join "," $v.signIn.trustedProxies | quote }}}
- {name: HEATERS_OIDC_ISSUER, value: {{ $v.signIn.issuer | quote }}}
- {name: HEATERS_OIDC_CLIENT_ID, value: {{ $v.signIn.clientId | quote }}}
- {name: HEATERS_OIDC_ROLES, value: {{ $v.signIn.roles | quote }}}
- {name: HEATERS_OIDC_ROLES_CLAIM, value: {{ $v.signIn.rolesClaim | quote }}}
{{- if $v.cdn.url }}
- {name: HEATERS_CDN_URL, value: {{ $v.cdn.url | quote }}}
{{ include "heaters.secret" (dict "name" "HEATERS_CDN_KEY" "secret" $v.cdn.existingSecret "key" "signing-key") }}
{{- end }}
{{- if $v.signIn.existingSecret }}
{{ include "heaters.secret" (dict "name" "HEATERS_OIDC_CLIENT_SECRET" "secret" $v.signIn.existingSecret "key" "client-secret") }}
{{- end }}
{{- end }}

{{- define "heaters.annotations" -}}
{{- if .Values.telemetry.scrape }}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{- define "heaters.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.cache.size }}}
- name: cache
{{- if .Values.cache.hostPath }}
  hostPath: {path: {{ .Values.cache.hostPath }}, type: Directory}
{{- else }}
  emptyDir: {sizeLimit: {{ .Values.cache.size }}}
{{- end }}
{{- end }}

{{- define "heaters.probes" -}}
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 5}
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 10, timeoutSeconds: 8}
{{- end }}

{{- /* The pod of one stage in one lane. */ -}}
{{- define "heaters.workerPod" -}}
{{- $v := .root.Values -}}
{{- $grace := min .stage.deadlineSeconds $v.mostGraceSeconds -}}
metadata:
  labels: {{- include "heaters.labels" . | nindent 4 }}
    heaters/service: {{ .stage.service }}
    heaters/lane: {{ .lane }}
  annotations: {{- include "heaters.annotations" .root | nindent 4 }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The stage's longest piece of work, within reason; what is not done by then is handed back to the stream.
  terminationGracePeriodSeconds: {{ add $grace 30 }}
  {{- if $v.priority.create }}
  priorityClassName: {{ .root.Release.Name }}-{{ .lane }}
  {{- end }}
  {{- if .once }}
  restartPolicy: Never
  {{- end }}
  securityContext: {{- include "heaters.podSecurity" . | nindent 4 }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}
  {{- end }}{{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector: {matchLabels: {app.kubernetes.io/component: {{ .component }}}}
  {{- if and (eq .stage.service "embedder") (gt (int $v.gpu.count) 0) }}
  nodeSelector: {{- toYaml $v.gpu.nodeSelector | nindent 4 }}
  tolerations: {{- toYaml $v.gpu.tolerations | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .stage.service }}
      image: "{{ $v.image.registry }}/heaters-{{ .stage.service }}:{{ $v.image.tag }}"
      imagePullPolicy: {{ $v.image.pullPolicy }}
      securityContext: {{- include "heaters.containerSecurity" . | nindent 8 }}
      ports: [{name: http, containerPort: 8080, protocol: TCP}]
      env: {{- include "heaters.env" (dict "root" .root "user" .stage.service) | nindent 8 }}
        - {name: HEATERS_STAGES, value: {{ .stage.name }}}
        - {name: HEATERS_LANES, value: {{ .lane }}}
        - {name: HEATERS_GRACE_S, value: {{ $grace | quote }}}
        {{- if .once }}
        - {name: HEATERS_ONE_MESSAGE, value: "true"}
        {{- end }}
      resources:
        requests:
          cpu: {{ $v.workers.cpuRequest | quote }}
          memory: {{ add .stage.memoryMiB $v.workers.memoryOverheadMiB }}Mi
        limits:
          cpu: {{ $v.workers.cpuLimit | quote }}
          memory: {{ add .stage.memoryMiB $v.workers.memoryOverheadMiB }}Mi
          {{- if and (eq .stage.service "embedder") (gt (int $v.gpu.count) 0) }}
          {{ $v.gpu.resource }}: {{ $v.gpu.count }}
          {{- end }}
      {{- include "heaters.probes" . | nindent 6 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: cache, mountPath: /cache}
  volumes: {{- include "heaters.volumes" .root | nindent 4 }}
{{- end }}

{{- define "heaters.trigger" -}}
- type: nats-jetstream
  metadata:
    natsServerMonitoringEndpoint: {{ .root.Values.nats.monitoring | quote }}
    account: {{ .root.Values.nats.account | quote }}
    stream: {{ .stream }}
    consumer: {{ .consumer }}
    lagThreshold: {{ .root.Values.keda.lagThreshold | quote }}
    activationLagThreshold: "0"
{{- end }}
