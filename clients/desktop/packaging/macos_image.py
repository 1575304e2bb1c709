"""The macOS disk image: signed, packed, and notarised where the secrets for it are given.

PULSE_MACOS_IDENTITY is a Developer ID in the keychain; without it the signature is ad hoc, and whoever opens the program has to
allow it once. PULSE_NOTARY_APPLE_ID, PULSE_NOTARY_TEAM_ID and PULSE_NOTARY_PASSWORD together have Apple notarise it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AD_HOC: Final = "-"
IDENTITY: Final = "PULSE_MACOS_IDENTITY"
NOTARY: Final = ("PULSE_NOTARY_APPLE_ID", "PULSE_NOTARY_TEAM_ID", "PULSE_NOTARY_PASSWORD")


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """`app` is the bundle, `staging` a folder with the bundle's copy and a link to Applications, `image` what is made."""

    app: Path
    staging: Path
    image: Path

    def commands(self, environment: Mapping[str, str]) -> list[list[str]]:
        """Return what is run, in this order. Raises SystemExit for half of the notary's secrets."""
        identity = environment.get(IDENTITY) or AD_HOC
        given = [environment.get(name) or "" for name in NOTARY]
        if any(given) and not all(given):
            raise SystemExit(f"Notarising needs all of {', '.join(NOTARY)}.")
        if all(given) and identity == AD_HOC:
            raise SystemExit(f"Apple notarises only what a Developer ID signed: {IDENTITY}.")
        hardened = [] if identity == AD_HOC else ["--options", "runtime", "--timestamp"]
        sign = ["codesign", "--force", "--sign", identity, *hardened]
        make = ["hdiutil", "create", "-volname", "PrecisionPulse", "-srcfolder", str(self.staging), "-fs", "HFS+"]
        commands = [
            [*sign, "--deep", str(self.app)],
            ["codesign", "--verify", "--deep", "--strict", str(self.app)],
            ["ditto", str(self.app), str(self.staging / self.app.name)],
            ["ln", "-sfn", "/Applications", str(self.staging / "Applications")],
            [*make, "-format", "UDZO", "-ov", str(self.image)],
            [*sign, str(self.image)],
        ]
        if all(given):
            account = [
                part for pair in zip(("--apple-id", "--team-id", "--password"), given, strict=True) for part in pair
            ]
            commands += [
                ["xcrun", "notarytool", "submit", str(self.image), "--wait", *account],
                ["xcrun", "stapler", "staple", str(self.image)],
            ]
        return commands
