"""The gateway on Docker, Docker Swarm and Kubernetes, as files that their clients take."""

from buildlib.rules import filegroup, rendered, select
from kernelspecs.defs import CONTAINER_KERNELS

# All that verify/platforms.py imports from here.
filegroup(
    name="platforms",
    srcs=[
        "compose.py",
        "composefile.py",
        "docker_api.py",
        "kind.py",
        "platform.py",
        "state.py",
        "swarm.py",
        "waiting.py",
    ],
    doc="how a gateway is started on each platform, also for proofs",
)
# All that verify/cluster.py imports beside those.
filegroup(
    name="cluster",
    srcs=["kubectl.py", "kubernetes.py", "manifests.py"],
    doc="how a gateway is started on Kubernetes, also for proofs",
)
# All that verify/demo.py imports beside those.
filegroup(
    name="demo-platform",
    srcs=["demo.py"],
    doc="how the demo is started, also for proofs",
)

GATEWAY = {"GATEWAY": "//images/enterprise-gateway"}
PULLER = {"PULLER": "//images/kernel-image-puller"}
KERNELS = [
    *CONTAINER_KERNELS,
    *select({"debian": [], "docker-stacks": ["python_tf_gpu"]}),
]

rendered(
    name="compose",
    template="compose.yaml.in",
    out="compose.yaml",
    images={**GATEWAY, **PULLER},
    names={"KERNELS": [f"//kernelspecs:{kernel}_docker" for kernel in KERNELS]},
    doc="the gateway and its kernels on plain Docker",
)
rendered(
    name="stack",
    template="stack.yaml.in",
    out="stack.yaml",
    images=GATEWAY,
    names={"KERNELS": [f"//kernelspecs:{kernel}_swarm" for kernel in KERNELS]},
    doc="the gateway and its kernels on Docker Swarm",
)

DEMO = {"GATEWAY": "//images/enterprise-gateway-demo"}  # which not every flavour has

rendered(
    name="demo",
    template="demo.yaml.in",
    out="demo.yaml",
    images=DEMO,
    doc="the demo: HDFS, YARN and the gateway in one container",
)
rendered(
    name="demo-cluster",
    template="demo-cluster.yaml.in",
    out="demo-cluster.yaml",
    images={**DEMO, "YARN": "//images/demo-base"},
    doc="the demo in three containers: a master, a second node, the gateway",
)

# Kubernetes: a base and overlays (docs/deploy-kubernetes.md); those that name images are rendered.
KUBERNETES_KERNELS = {
    "KERNELS": [f"//kernelspecs:{kernel}_kubernetes" for kernel in CONTAINER_KERNELS]
}
NAMESPACES = {
    "NAMESPACE": "enterprise-gateway",
    "KERNELS_NAMESPACE": "enterprise-gateway-kernels",
}
TOKEN_SECRET = {"TOKEN_SECRET": "enterprise-gateway"}
SETTINGS = {
    "CULL_CONNECTED": "False",
    "CULL_IDLE_TIMEOUT": "3600",
    "DEFAULT_KERNEL": "python_kubernetes",
    "KERNEL_LAUNCH_TIMEOUT": "120",
    "LOG_LEVEL": "INFO",
}
# What a chart says at some lines, and what stands there otherwise.
ACCOUNTS = {"PULL_SECRETS": "overlay private-registry: imagePullSecrets"}
END = {"END": "---"}
LINES = {
    "COPY_KERNELSPECS": "Overlay kernelspecs-image: initContainers",
    "ELSE_SHARED": "Overlay namespace-per-kernel: others.",
    "IF_NAMESPACE": "The gateway's.",
    "IF_SHARED": "One namespace for all kernels.",
    "IF_USER": "Overlay openshift: none.",
    "KERNELS_LABELS": 'kubernetes.io/metadata.name: "enterprise-gateway-kernels"',
    "MORE_ENV": "More: docs/images/enterprise-gateway.md#variables",
    "MOUNT_KERNELSPECS": "Overlays kernelspecs-*: over /usr/local/share/jupyter/kernels",
    "NODES": "An overlay may say nodeSelector and tolerations.",
    "VOLUME_KERNELSPECS": "Overlays kernelspecs-*: kernelspecs",
}
BASE = {**NAMESPACES, **TOKEN_SECRET, **SETTINGS, **ACCOUNTS, **LINES, **END}

rendered(
    name="kubernetes",
    template="kubernetes/base/enterprise-gateway.yaml.in",
    out="kubernetes/base/enterprise-gateway.yaml",
    images=GATEWAY,
    names=KUBERNETES_KERNELS,
    values=BASE,
    doc="the gateway and its kernels on Kubernetes",
)
rendered(
    name="kubernetes_release",
    template="kubernetes/base/enterprise-gateway.yaml.in",
    out="enterprise-gateway.yaml",
    images=GATEWAY,
    names=KUBERNETES_KERNELS,
    values=BASE,
    release=True,
    doc="the same, as a file of releases",
)
rendered(
    name="kubernetes_kernelspecs-image",
    template="kubernetes/overlays/kernelspecs-image/gateway.yaml.in",
    out="kubernetes/overlays/kernelspecs-image/gateway.yaml",
    images={"KERNELSPECS": "//images/kernelspecs"},
    doc="overlay: kernelspecs from their own image",
)
rendered(
    name="kubernetes_openshift",
    template="kubernetes/overlays/openshift/gateway.yaml.in",
    out="kubernetes/overlays/openshift/gateway.yaml",
    images=GATEWAY,
    doc="overlay: pods name no user",
)
rendered(
    name="kubernetes_puller",
    template="kubernetes/overlays/puller/puller.yaml.in",
    out="kubernetes/overlays/puller/puller.yaml",
    images=PULLER,
    values={
        "NAMESPACE": "enterprise-gateway",
        "IF": "Rendered from puller.yaml.in.",
        **TOKEN_SECRET,
        **ACCOUNTS,
        **END,
    },
    doc="overlay: the image puller on each node",
)
rendered(
    name="kubernetes_gpus",
    template="kubernetes/overlays/gpus/gateway.yaml.in",
    out="kubernetes/overlays/gpus/gateway.yaml",
    images={"IMAGE": "//images/kernel-tf-gpu-py"},  # which not every flavour has
    names={"KERNELS": [*KUBERNETES_KERNELS["KERNELS"], "//kernelspecs:python_tf_gpu_kubernetes"]},
    doc="overlay: kernels with GPUs",
)

# The same templates as a Helm chart: its values stand where the base has names and settings.
CHART_NAMES = {
    "NAMESPACE": "{{ .Release.Namespace }}",
    "TOKEN_SECRET": "{{ .Values.tokenSecret }}",
    "PULL_SECRETS": """{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
# {{- end }}""",
    "END": "{{- end }}",
}

# What each init container of the chart may do.
CONFINED = """\
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources:
            requests: {cpu: 50m, memory: 32Mi}
            limits: {memory: 128Mi}
"""
COPY_KERNELSPECS = (
    """{{- with .Values.kernelspecs }}
      # {{- if gt (len (compact (list .image .claim .nfs.server))) 1 }}
      # {{- fail "kernelspecs: say one of image, claim and nfs.server" }}
      # {{- end }}
      # {{- end }}
      # {{- if or .Values.openshift .Values.kernelspecs.image }}
      initContainers:
      # {{- end }}
      # {{- if .Values.openshift }}
        - name: name-user
          image: "{{ .Values.image }}"
          imagePullPolicy: IfNotPresent
          command:
            - sh
            - -c
            - |
              cat /etc/passwd >/to/passwd
              id -un || echo "gateway:x:$(id -u):$(id -g)::/tmp:/bin/sh" >>/to/passwd
"""
    + CONFINED
    + """          volumeMounts:
            - {name: passwd, mountPath: /to}
      # {{- end }}
      # {{- if .Values.kernelspecs.image }}
        - name: kernelspecs
          image: "{{ .Values.kernelspecs.image }}"
          imagePullPolicy: IfNotPresent
          command: [cp, -R, /kernels/., /to]
"""
    + CONFINED
    + """          volumeMounts:
            - {name: kernelspecs, mountPath: /to}
      # {{- end }}"""
)

rendered(
    name="chart",
    template="kubernetes/base/enterprise-gateway.yaml.in",
    out="kubernetes/chart/templates/gateway.yaml",
    values={
        **CHART_NAMES,
        "KERNELS_NAMESPACE": "{{ .Release.Namespace }}-kernels",
        "GATEWAY": "{{ .Values.image }}",
        "KERNELS": '{{ join "," .Values.kernel.allowedKernels }}',
        "CULL_CONNECTED": "{{ .Values.kernel.cullConnected | toString | title }}",
        "CULL_IDLE_TIMEOUT": "{{ int .Values.kernel.cullIdleTimeout }}",
        "DEFAULT_KERNEL": "{{ .Values.kernel.defaultKernelName }}",
        "KERNEL_LAUNCH_TIMEOUT": "{{ int .Values.kernel.launchTimeout }}",
        "LOG_LEVEL": "{{ .Values.logLevel }}",
        "IF_NAMESPACE": "{{- if .Values.createNamespace }}",
        "IF_SHARED": "{{- if not .Values.kernel.namespacePerKernel }}",
        "ELSE_SHARED": """{{- else }}
            - {name: EG_SHARED_NAMESPACE, value: "False"}
            - {name: EG_KERNEL_CLUSTER_ROLE, value: "{{ .Release.Namespace }}-spark"}
            - {name: EG_DEFAULT_KERNEL_SERVICE_ACCOUNT_NAME, value: default}
            # {{- end }}""",
        "KERNELS_LABELS": """ {{- if .Values.kernel.namespacePerKernel }}
app: enterprise-gateway, component: kernel
              {{- else }}kubernetes.io/metadata.name: "{{ .Release.Namespace }}-kernels"
              {{- end }}""",
        "IF_USER": "{{- if not .Values.openshift }}",
        "COPY_KERNELSPECS": COPY_KERNELSPECS,
        "MOUNT_KERNELSPECS": """{{- with .Values.kernelspecs }}
            # {{- if or .image .claim .nfs.server }}
            - {name: kernelspecs, mountPath: /usr/local/share/jupyter/kernels, readOnly: true}
            # {{- end }}
            # {{- end }}
            # {{- if .Values.openshift }}
            - {name: passwd, mountPath: /etc/passwd, subPath: passwd, readOnly: true}
            # {{- end }}""",
        "VOLUME_KERNELSPECS": """{{- with .Values.kernelspecs }}
        # {{- if .image }}
        - name: kernelspecs
          emptyDir: {sizeLimit: 256Mi}
        # {{- else if or .claim .nfs.server }}
        - name: kernelspecs
          persistentVolumeClaim:
            claimName: {{ .claim | default "kernelspecs" | quote }}
            readOnly: true
        # {{- end }}
        # {{- end }}
        # {{- if .Values.openshift }}
        - name: passwd
          emptyDir: {sizeLimit: 1Mi}
        # {{- end }}""",
        "MORE_ENV": """{{- if .Values.openshift }}
            - {name: EG_KUBERNETES_CLUSTER_UIDS, value: "True"}
            # {{- end }}
            # {{- range $name, $value := .Values.extraEnv }}
            - {name: {{ $name }}, value: {{ $value | toString | quote }}}
            # {{- end }}""",
        "NODES": """{{- with .Values.nodeSelector }}
      nodeSelector: {{ toJson . }}
      # {{- end }}
      # {{- with .Values.tolerations }}
      tolerations: {{ toJson . }}
      # {{- end }}""",
    },
    doc="Helm chart: the gateway",
)
rendered(
    name="chart_puller",
    template="kubernetes/overlays/puller/puller.yaml.in",
    out="kubernetes/chart/templates/puller.yaml",
    values={
        **CHART_NAMES,
        "PULLER": "{{ .Values.kip.image }}",
        "IF": "{{- if .Values.kip.enabled }}",
    },
    doc="Helm chart: the image puller",
)
rendered(
    name="chart_values",
    template="kubernetes/chart/values.yaml.in",
    out="kubernetes/chart/values.yaml",
    images={**GATEWAY, **PULLER},
    names=KUBERNETES_KERNELS,
    values=SETTINGS,
    doc="Helm chart: what it has where nobody says",
)
