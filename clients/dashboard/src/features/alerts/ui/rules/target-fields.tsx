import { useMemo } from "react";
import { useText } from "@/shared/i18n/messages";
import { usePermission } from "@/shared/session/session";
import { useStates } from "@/shared/streams/hooks";
import { PickList } from "@/shared/ui/pick-list";
import type { RuleDraft } from "../../model/rule-draft";
import { ruleTexts } from "../../rule-texts";
import { ChoiceField, Part } from "../form/fields";
import type { EditProps } from "./edit-props";

/** For which devices a rule is. */
export function TargetFields({ draft, change, fault }: EditProps) {
  const t = useText(ruleTexts);
  const devices = useStates("devices");
  const seesAll = usePermission("devices:all");
  const groups = useMemo(() => [...new Set([...devices.values()].flatMap((device) => device.groups))].sort(), [devices]);
  const picks = useMemo(
    () => [...devices].map(([id, device]) => ({ id, label: device.name })).sort((a, b) => a.label.localeCompare(b.label)),
    [devices],
  );
  const option = (target: RuleDraft["target"], text: string) => {
    const isBlocked = target !== "devices" && !seesAll;
    return [target, isBlocked ? `${text} (${t("needsAll")})` : text, isBlocked] as const;
  };
  return (
    <Part title={t("for")}>
      <ChoiceField
        label={t("who")}
        value={draft.target}
        choices={[option("all", t("targetAll")), option("groups", t("targetGroups")), option("devices", t("targetDevices"))]}
        onChange={(target) => { change({ target }); }}
      />
      {draft.target === "groups" && (
        <PickList
          label={t("targetGroups")}
          hint={groups.length === 0 ? t("noGroups") : undefined}
          error={fault("groups")}
          picks={groups.map((group) => ({ id: group, label: group }))}
          chosen={draft.groups}
          onChange={(chosen) => { change({ groups: chosen }); }}
        />
      )}
      {draft.target === "devices" && (
        <PickList
          label={t("targetDevices")}
          error={fault("deviceIds")}
          picks={picks}
          chosen={draft.deviceIds}
          onChange={(deviceIds) => { change({ deviceIds }); }}
        />
      )}
    </Part>
  );
}
