"""Renders the chart with Helm and gives the manifests in the shapes that the tests ask for."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CHART = ROOT / "deploy/k8s/precisionpulse"
SITE = HERE / "site.yaml"
SIZES = ("laptop", "small", "large")
# Everything that can be switched on, so that every conditional variable, secret and arrow is rendered.
EVERYTHING = (
    "mqtt.emqx.enabled=true",
    "mqtt.emqx.apiUrl=http://emqx.broker:18083",
    "mail.host=mail.example.com",
    "tracing.endpoint=http://collector.monitoring:4318",
    "mail.username=pulse",
    "mail.from=pulse@example.com",
    "signIn.issuer=https://login.example.com",
    "signIn.clientId=precisionpulse",
    "signIn.redirectUrl=https://pulse.example.com/api/auth/oidc/callback",
    "signIn.name=Company",
    "signIn.roles=staff=viewer",
    "allowedOrigins=https://other.example.com",
    "backup.enabled=true",
    "backup.claim=backups",
    "releases.claim=releases",
)

# The C one where it was built: ten times as fast.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Manifest = Mapping[str, Any]


class NoHelmError(Exception):
    """There is no Helm for this machine."""


@functools.cache
def helm() -> str:
    """Return the path of Helm. Raises NoHelmError where there is none for this machine."""
    done = subprocess.run(
        [ROOT / "deploy/k8s/scripts/get_helm.sh"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode != 0:
        raise NoHelmError(done.stderr.strip())
    return done.stdout.strip()


def run_template(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `helm template` for the release `pulse`; the made-up site's choices come first."""
    command = [helm(), "template", "pulse", str(CHART), "--namespace", "site", "--values", str(SITE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@functools.cache
def render(size: str | None = None, settings: tuple[str, ...] = ()) -> tuple[Manifest, ...]:
    """Return the manifests of a values file, with settings on top of it."""
    values = [] if size is None else ["--values", str(CHART / f"values-{size}.yaml")]
    done = run_template(*values, *(part for setting in settings for part in ("--set", setting)))
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.load_all(done.stdout, Loader=_Loader) if document)


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Return the manifests of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Give the name, labels and pod specification of everything that runs pods."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        template = manifest["spec"]["template"]
        yield manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]
    for manifest in of_kind(manifests, "CronJob"):
        template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        yield manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]
    for manifest in of_kind(manifests, "Pod"):
        yield manifest["metadata"]["name"], manifest["metadata"]["labels"], manifest["spec"]


def architecture() -> dict[str, Any]:
    """Return the chart's facts about the product."""
    facts: dict[str, Any] = yaml.safe_load((CHART / "files/architecture.yaml").read_text(encoding="utf-8"))
    return facts
