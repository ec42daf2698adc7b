"""What the kernelspecs of one platform have in common: commands, environments, resources."""

from __future__ import annotations

# The option names that all of the gateway's versions know; ours also take them without the prefix.
OPTION = "--RemoteProcessProxy."
TO_CONTAINERS = ["kernel-id", "port-range", "response-address", "public-key"]
TO_HOSTS = ["kernel-id", "response-address", "public-key", "port-range"]

SPARK_HOME = "/opt/spark"  # in our images


# On each platform of containers: NAME_docker, NAME_swarm, NAME_kubernetes.
CONTAINER_KERNELS = [
    "python",
    "python_tf",
    "R",
    "scala",
    "spark_python",
    "spark_R",
    "spark_scala",
]


def command(program: list[str], options: list[str], **more: str) -> list[str]:
    """What the gateway runs.

    Args:
        program: Words before the options; the gateway takes its own interpreter for `python`.
        options: Options that the gateway fills in.
        more: Further options, with `_` for `-`.
    """
    found = list(program)
    for name in options:
        found += [OPTION + name, "{" + name.replace("-", "_") + "}"]
    for name, value in more.items():
        found += [OPTION + name.replace("_", "-"), value]
    return found


def given(name: str, default: str = "") -> str:
    """A reference to a variable, for run.sh.

    The gateway replaces `${NAME}` too, with what its client sent: a value with blanks would become
    words of the command. It does not know the form with `:-`, so that this is left to run.sh.
    """
    return f"${{{name}:-{default}}}"


def conf(**values: str) -> list[str]:
    """Spark's `--conf` options; `__` stands for a dot."""
    return [
        word
        for name, value in values.items()
        for word in ("--conf", f"spark.{name.replace('__', '.')}={value}")
    ]


EXTRA = given("KERNEL_EXTRA_SPARK_OPTS")
ON_YARN = given("KERNEL_ID", "ERROR__NO__KERNEL_ID")  # the gateway finds the application by it
# Toree looks for its magics in jars, by reflection, which Java 17 allows on demand only. Java 8,
# which does not know the option, passes it over. What a client writes into
# spark.driver.extraJavaOptions stands behind it.
FOR_TOREE = (
    '--conf "spark.driver.defaultJavaOptions=-XX:+IgnoreUnrecognizedVMOptions'
    ' --add-opens=java.base/java.util.jar=ALL-UNNAMED"'
)


def spark_environment(language: str, options: list[str]) -> dict[str, str]:
    """The `env` of a kernelspec that submits to Spark."""
    text = " ".join([*options, *([FOR_TOREE] if language == "scala" else []), EXTRA])
    if language != "scala":
        return {"SPARK_OPTS": text, "LAUNCH_OPTS": ""}
    return {
        # SPARK_OPTS and TOREE_OPTS in a request take their place.
        "__TOREE_SPARK_OPTS__": text,
        "__TOREE_OPTS__": "--alternate-sigint USR2",
        "LAUNCH_OPTS": "",
        "DEFAULT_INTERPRETER": "Scala",
    }


# For the driver and each of two executors: Spark's own default, a whole one each, is more than a
# small node has. A request may say another number, or a limit.
SPARK_CPUS = {"KERNEL_CPUS": "500m"}


def kubernetes_environment(language: str) -> dict[str, str]:
    """Spark in cluster mode on Kubernetes: the kernel is Spark's driver."""
    kernel_id = given("KERNEL_ID")
    server = f"{given('KUBERNETES_SERVICE_HOST')}:{given('KUBERNETES_SERVICE_PORT')}"
    options = ["--master", f"k8s://https://{server}", "--deploy-mode", "cluster"]
    options += ["--name", f"{given('KERNEL_USERNAME')}-{kernel_id}"]
    options += conf(kubernetes__namespace=given("KERNEL_NAMESPACE"))
    if language == "scala":
        options += ["--driver-memory", "2G"]
    for role, component in (("driver", "kernel"), ("executor", "worker")):
        labels = {"app": "enterprise-gateway", "kernel_id": kernel_id, "component": component}
        for name, value in labels.items():
            options += ["--conf", f"spark.kubernetes.{role}.label.{name}={value}"]
    options += conf(
        kubernetes__driver__container__image=given("KERNEL_IMAGE"),
        kubernetes__executor__container__image=given("KERNEL_EXECUTOR_IMAGE"),
        kubernetes__authenticate__driver__serviceAccountName=given("KERNEL_SERVICE_ACCOUNT_NAME"),
        kubernetes__submission__waitAppCompletion="false",
        kubernetes__driverEnv__HTTP2_DISABLE="true",
    )
    spark = {"SPARK_HOME": SPARK_HOME, **spark_environment(language, options)}
    return {**spark, "HTTP2_DISABLE": "true", **SPARK_CPUS}


def yarn_environment(language: str, mode: str) -> dict[str, str]:
    """Spark on YARN: the kernel is Spark's driver, here (client) or in the cluster (cluster).

    Where Spark, Python and R are is found by run.sh and spark-submit.
    """
    options = ["--master", "yarn", "--deploy-mode", mode, "--name", ON_YARN]
    if mode == "cluster":
        options += conf(yarn__submit__waitAppCompletion="false", yarn__maxAppAttempts="1")
        if language != "python":
            options += conf(yarn__am__waitTime="1d")
    return spark_environment(language, options)


def dask_environment() -> dict[str, str]:
    """Dask on YARN."""
    words = ["--name", ON_YARN, "--environment", "python://" + given("PYTHON")]
    words += ["--temporary-security-credentials", "--deploy-mode", "remote"]
    return {"DASK_OPTS": " ".join(words), "LAUNCH_OPTS": ""}


# What upstream calls the jars in its release files. Ours do without, so that no version is in the
# key of an image; run.sh finds them by either name.
JARS = {
    "toree-launcher.jar": "toree-launcher_2.12-{version}.jar",
    "toree-assembly.jar": "toree-assembly-0.5.0-incubating.jar",
}


def release_names(kernelspecs: list[str]) -> dict[str, str]:
    """The jars of kernelspecs that run Scala on hosts, as a release file has them."""
    return {
        f"{name}/lib/{jar}": f"{name}/lib/{released}"
        for name in kernelspecs
        for jar, released in JARS.items()
    }


def launcher(language: str, platform: str) -> dict[str, str]:
    """The launcher of a language, for a kernel that runs without our images."""
    if language == "scala":
        return {
            "lib/toree-launcher.jar": "//launchers/scala:toree_launcher",
            "lib/toree-assembly.jar": "//launchers/scala:toree",
        }
    if language == "R" and platform == "yarn_cluster":
        return {
            "scripts/launch_IRkernel.R": "//launchers/R:launch_IRkernel",
            "scripts/kernel_launcher.zip": ":r_launcher",
        }
    if language == "R":
        return {"scripts/": "//launchers/R"}
    zipped = {"scripts/kernel_launcher.zip": ":kernel_launcher"}  # what is shipped is a file
    if platform == "yarn_remote":
        return zipped
    if platform == "yarn_cluster":
        return {"scripts/launch_ipykernel.py": "//launchers/python:launch_ipykernel", **zipped}
    return {"scripts/": "//launchers/python"}
