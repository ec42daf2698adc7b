"""The kernelspecs: one row of the table below for each kernel and each way to start it."""

from buildlib.rules import filegroup, kernelspec, tarball

DOCKER = "docker_swarm.DockerProcessProxy"
SWARM = "docker_swarm.DockerSwarmProcessProxy"
PYTHON = {"debugger": True}

# name, display name, language, who starts it, image, metadata
BY_DOCKER = [
    ("python_docker", "Python on Docker", "python", DOCKER, "//images/kernel-py", PYTHON),
    ("python_swarm", "Python on Docker Swarm", "python", SWARM, "//images/kernel-py", PYTHON),
]

for name, display_name, language, proxy, image, metadata in BY_DOCKER:
    kernelspec(
        name=name,
        display_name=display_name,
        language=language,
        process_proxy=proxy,
        image=image,
        metadata=metadata,
        # The gateway runs its own interpreter for a bare `python`.
        argv=[
            "python",
            "{resource_dir}/scripts/launch_docker.py",
            "--RemoteProcessProxy.kernel-id",
            "{kernel_id}",
            "--RemoteProcessProxy.port-range",
            "{port_range}",
            "--RemoteProcessProxy.response-address",
            "{response_address}",
            "--RemoteProcessProxy.public-key",
            "{public_key}",
        ],
        resources={
            "logo-64x64.png": f"logos/{language}.png",
            "scripts/": "//launchers/docker",
        },
        doc=display_name,
    )

filegroup(
    name="docker",
    srcs=[f":{row[0]}" for row in BY_DOCKER],
    doc="kernelspecs for plain Docker and Docker Swarm",
)

tarball(
    name="kernelspecs",
    parts={"docker": {"./": ":docker"}},
    prefix="usr/local/share/jupyter/kernels",
    archive="jupyter_enterprise_gateway_kernelspecs",
    doc="kernelspecs, one part for each platform",
)
