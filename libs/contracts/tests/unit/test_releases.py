"""Versions are ordered as people mean them, and a manifest names no file outside of its folder."""

import itertools

import pytest
from pydantic import ValidationError

from pulse_contracts.releases import ReleaseFile, ReleaseManifest, version_order

IN_ORDER = ["nonsense", "0.9.9", "0.10.0-1", "0.10.0-alpha", "0.10.0-alpha.2", "0.10.0-alpha.10", "0.10.0", "1.0.0"]


def test_versions_are_ordered_by_number_and_a_suffix_comes_before() -> None:
    for low, high in itertools.combinations(IN_ORDER, 2):
        assert version_order(low) < version_order(high), (low, high)
    assert version_order("1.2.3") == version_order("1.2.3")


def entry(**changes: object) -> dict[str, object]:
    good = {"platform": "windows", "machine": "x86_64", "name": "setup.exe", "size": 1, "sha256": "0" * 64}
    return {**good, **changes}


@pytest.mark.parametrize(
    "name",
    [
        "../setup.exe",
        "a/b",
        "a\\b",
        "",
        ".hidden",
        "x" * 129 + ".exe",
        "a b.exe",
        "ü.exe",
        "a.exe\n",
        "release-key.json",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        ReleaseFile.model_validate(entry(name=name))


@pytest.mark.parametrize("version", ["1", "1.2", "01.2.3", "1.2.3+build", "v1.2.3", "1.2.3-"])
def test_what_is_no_version_is_refused(version: str) -> None:
    fields = {"version": version, "released_at": 1, "signed_at": 1, "expires_at": 2, "files": [entry()]}
    with pytest.raises(ValidationError):
        ReleaseManifest.model_validate(fields)


def test_a_platform_of_tomorrow_does_not_hide_todays() -> None:
    fields = {"version": "1.2.3", "released_at": 1, "signed_at": 1, "expires_at": 2}
    offered = ReleaseManifest.model_validate({**fields, "files": [entry(platform="plan9"), entry()], "later": True})
    assert [file.platform for file in offered.files] == ["plan9", "windows"]
