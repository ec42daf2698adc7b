"""The kernelspecs: one row of the table below for each kernel and each way to start it."""

from buildlib.rules import filegroup, kernelspec, tarball, zip_file
from kernelspecs.defs import (
    SPARK_CPUS,
    TO_CONTAINERS,
    TO_HOSTS,
    command,
    dask_environment,
    kubernetes_environment,
    launcher,
    release_names,
    yarn_environment,
)

# --- Ways to start a kernel ----------------------------------------------------------------------

PROXIES = {
    "docker": "docker_swarm.DockerProcessProxy",
    "swarm": "docker_swarm.DockerSwarmProcessProxy",
    "kubernetes": "k8s.KubernetesProcessProxy",
    "operator": "spark_operator.SparkOperatorProcessProxy",
    "yarn_client": "distributed.DistributedProcessProxy",
    "yarn_cluster": "yarn.YarnClusterProcessProxy",
    "yarn_remote": "yarn.YarnClusterProcessProxy",
    "distributed": "distributed.DistributedProcessProxy",
}
# Programs of the kernelspec itself; run.sh submits to Spark or Dask.
SCRIPTS = {
    "docker": "launch_docker.py",
    "swarm": "launch_docker.py",
    "kubernetes": "launch_kubernetes.py",
    "operator": "launch_custom_resource.py",
}
STARTERS = {
    "docker": "//launchers/docker",
    "swarm": "//launchers/docker",
    "kubernetes": "//launchers/kubernetes",
    "operator": "//launchers/kubernetes:custom_resource",
}
RUN_SH = {"kubernetes": "kubernetes", "yarn_client": "yarn", "yarn_cluster": "yarn",
          "yarn_remote": "dask", "distributed": "distributed"}  # fmt: skip

# --- The table ------------------------------------------------------------------------------------

PY, TF, GPU, R = "kernel-py", "kernel-tf-py", "kernel-tf-gpu-py", "kernel-r"
SCALA, SPARK_PY, SPARK_R = "kernel-scala", "kernel-spark-py", "kernel-spark-r"
LOGOS = {TF: "tensorflow", GPU: "tensorflow"}

# name, display name, language, platform, image, when Spark's context is made (empty: no Spark)
TABLE = [
    ("python_docker", "Python on Docker", "python", "docker", PY, ""),
    ("python_tf_docker", "Python on Docker with Tensorflow", "python", "docker", TF, ""),
    ("python_tf_gpu_docker", "Python on Docker with Tensorflow with GPUs", "python", "docker",
     GPU, ""),
    ("R_docker", "R on Docker", "R", "docker", R, ""),
    ("scala_docker", "Scala on Docker", "scala", "docker", SCALA, ""),
    ("spark_python_docker", "Spark - Python (Docker Mode)", "python", "docker", SPARK_PY, "lazy"),
    ("spark_R_docker", "Spark - R (Docker Mode)", "R", "docker", SPARK_R, "lazy"),
    ("spark_scala_docker", "Spark - Scala (Docker Mode)", "scala", "docker", SCALA, "eager"),

    ("python_swarm", "Python on Docker Swarm", "python", "swarm", PY, ""),
    ("python_tf_swarm", "Python on Docker Swarm with Tensorflow", "python", "swarm", TF, ""),
    ("python_tf_gpu_swarm", "Python on Docker Swarm with Tensorflow with GPUs", "python", "swarm",
     GPU, ""),
    ("R_swarm", "R on Docker Swarm", "R", "swarm", R, ""),
    ("scala_swarm", "Scala on Docker Swarm", "scala", "swarm", SCALA, ""),
    ("spark_python_swarm", "Spark - Python (Docker Swarm Mode)", "python", "swarm", SPARK_PY,
     "lazy"),
    ("spark_R_swarm", "Spark - R (Docker Swarm Mode)", "R", "swarm", SPARK_R, "lazy"),
    ("spark_scala_swarm", "Spark - Scala (Docker Swarm Mode)", "scala", "swarm", SCALA, "eager"),

    ("python_kubernetes", "Python on Kubernetes", "python", "kubernetes", PY, ""),
    ("python_tf_kubernetes", "Python on Kubernetes with Tensorflow", "python", "kubernetes", TF,
     ""),
    ("python_tf_gpu_kubernetes", "Python on Kubernetes with Tensorflow with GPUs", "python",
     "kubernetes", GPU, ""),
    ("R_kubernetes", "R on Kubernetes", "R", "kubernetes", R, ""),
    ("scala_kubernetes", "Scala on Kubernetes", "scala", "kubernetes", SCALA, ""),
    ("spark_python_kubernetes", "Spark - Python (Kubernetes Mode)", "python", "kubernetes",
     SPARK_PY, "lazy"),
    ("spark_R_kubernetes", "Spark - R (Kubernetes Mode)", "R", "kubernetes", SPARK_R, "lazy"),
    ("spark_scala_kubernetes", "Spark - Scala (Kubernetes Mode)", "scala", "kubernetes", SCALA,
     "lazy"),
    ("spark_python_operator", "Spark Operator (Python)", "python", "operator", SPARK_PY, ""),

    ("spark_python_yarn_client", "Spark - Python (YARN Client Mode)", "python", "yarn_client", "",
     "lazy"),
    ("spark_R_yarn_client", "Spark - R (YARN Client Mode)", "R", "yarn_client", "", "lazy"),
    ("spark_scala_yarn_client", "Spark - Scala (YARN Client Mode)", "scala", "yarn_client", "",
     "lazy"),
    ("spark_python_yarn_cluster", "Spark - Python (YARN Cluster Mode)", "python", "yarn_cluster",
     "", "lazy"),
    ("spark_R_yarn_cluster", "Spark - R (YARN Cluster Mode)", "R", "yarn_cluster", "", "eager"),
    # YARN gives up an application that has made no context after ten minutes.
    ("spark_scala_yarn_cluster", "Spark - Scala (YARN Cluster Mode)", "scala", "yarn_cluster", "",
     "eager"),
    ("dask_python_yarn_remote", "Dask - Python (YARN Remote Mode)", "python", "yarn_remote", "",
     ""),

    ("python_distributed", "Python 3 (distributed)", "python", "distributed", "", "none"),
]  # fmt: skip

# --- What is made of it ---------------------------------------------------------------------------

for name, display_name, language, platform, image, spark in TABLE:
    on_spark = bool(image and spark)
    on_hosts = platform == "distributed" or platform.startswith("yarn")
    submits = on_hosts or (platform == "kubernetes" and on_spark)
    script = SCRIPTS.get(platform, "")
    program = (
        # A list of executables in the archive is in the keys of all its parts, so of all images.
        ["sh", "{resource_dir}/bin/run.sh"]
        if platform == "distributed"
        else ["{resource_dir}/bin/run.sh"]
        if submits
        # The gateway runs its own interpreter for a bare `python`.
        else ["python", f"{{resource_dir}}/scripts/{script}"]
    )
    extra = {"spark_context_initialization_mode": spark} if spark else {}
    environment = {}
    logo = f"spark_{language}" if name.startswith("spark") else LOGOS.get(image, language)
    resources = {"logo-64x64.png": f"logos/{logo}.png"}
    if language == "R":
        resources["kernel.js"] = "kernel.js"
    if platform in STARTERS:
        resources["scripts/"] = STARTERS[platform]
    if submits:
        resources["bin/run.sh"] = f"bin/{RUN_SH[platform]}.sh"
        resources["bin/options.sh"] = "bin/options.sh"
    if on_hosts:
        resources["bin/hosts.sh"] = "bin/hosts.sh"
    if platform == "kubernetes" and on_spark:
        environment = kubernetes_environment(language)
    elif platform == "operator":
        environment = SPARK_CPUS
    elif platform in ("yarn_client", "yarn_cluster"):
        environment = yarn_environment(language, platform.removeprefix("yarn_"))
        resources = {**resources, **launcher(language, platform)}
    elif platform == "yarn_remote":
        extra = {"cluster_type": "dask"}
        environment = dask_environment()
        resources = {**resources, **launcher(language, platform)}
    elif platform == "distributed":
        resources = {**resources, **launcher(language, platform)}
    kernelspec(
        name=name,
        display_name=display_name,
        language=language,
        process_proxy=PROXIES[platform],
        image=f"//images/{image}" if image else "",
        executor_image=f"//images/{image}" if platform == "operator" or (image and submits) else "",
        metadata={"debugger": True} if language == "python" and platform != "operator" else {},
        env=environment,
        argv=command(program, TO_CONTAINERS if image else TO_HOSTS, **extra),
        resources=resources,
        doc=display_name,
    )

zip_file(
    name="kernel_launcher",
    members={"__main__.py": "dask/__main__.py", "./": "//launchers/python"},
    doc="the Python launcher in a file, for nodes of a cluster",
)
zip_file(
    name="r_launcher",
    members={"./": "//launchers/R:kernel_launcher"},
    doc="the R launcher's modules in a file, for nodes of a cluster",
)

# --- Sets -----------------------------------------------------------------------------------------

ON_DOCKER = [row[0] for row in TABLE if row[3] in ("docker", "swarm")]
ON_KUBERNETES = [row[0] for row in TABLE if row[3] in ("kubernetes", "operator")]
ON_YARN = [row[0] for row in TABLE if row[3].startswith("yarn")]
WITH_JARS = [row[0] for row in TABLE if row[2] == "scala" and row[3].startswith("yarn")]
ON_GPUS = [row[0] for row in TABLE if row[4] == GPU]
PROGRAMS = [
    f"{row[0]}/bin/run.sh"
    for row in TABLE
    if row[3].startswith("yarn") or (row[3] == "kubernetes" and row[5])
]

filegroup(
    name="docker",
    srcs=[f":{name}" for name in ON_DOCKER],
    doc="kernelspecs for plain Docker and Docker Swarm",
)
filegroup(
    name="kubernetes",
    srcs=[f":{name}" for name in ON_KUBERNETES],
    doc="kernelspecs for Kubernetes",
)
filegroup(
    name="yarn",
    srcs=[f":{name}" for name in ON_YARN],
    doc="kernelspecs for Spark and Dask on YARN",
)

# What images take: GPUs are a part of their own, as not every flavour has their image.
# Dask too: its submitter for YARN is in no image of ours.
PARTS = {
    "docker": [name for name in ON_DOCKER if name not in ON_GPUS],
    "kubernetes": [name for name in ON_KUBERNETES if name not in ON_GPUS],
    "gpu": ON_GPUS,
}
WITH_SPARK = [name for name in ON_YARN if name.startswith("spark")]
for part, names in PARTS.items():
    filegroup(
        name=f"{part}_part",
        srcs=[f":{name}" for name in names],
        doc=f"kernelspecs in the part {part} of the archive",
    )

filegroup(
    name="yarn_part",
    srcs=[f":{name}" for name in WITH_SPARK],
    doc="kernelspecs in the part yarn of the archive",
)

FOR_IMAGES = {part: {"./": f":{part}_part"} for part in PARTS}
tarball(
    name="kernelspecs",
    parts={
        **FOR_IMAGES,
        "yarn": {"./": ":yarn_part"},
        "dask": {"./": ":dask_python_yarn_remote"},
        "distributed": {"./": ":python_distributed"},
    },
    executables=PROGRAMS,
    prefix="usr/local/share/jupyter/kernels",
    archive="jupyter_enterprise_gateway_kernelspecs",
    release_names=release_names(WITH_JARS),
    doc="all kernelspecs, one part for each platform",
)
tarball(
    name="kernels",
    parts=FOR_IMAGES,
    executables=[path for path in PROGRAMS if "_kubernetes/" in path],
    prefix="kernels",
    doc="kernelspecs in the folder that a data image has",
)
for platform in ("docker", "kubernetes", "yarn"):
    tarball(
        name=f"kernelspecs_{platform}",
        parts={"all": {"./": f":{platform}"}},
        executables=[path for path in PROGRAMS if platform in path],
        archive=f"jupyter_enterprise_gateway_kernelspecs_{platform}",
        release_names=release_names(WITH_JARS if platform == "yarn" else []),
        doc=f"kernelspecs for {platform}",
    )
