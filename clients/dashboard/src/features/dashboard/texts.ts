import { defineMessages } from "@/shared/i18n/messages";

export const dashboardTexts = defineMessages({
  en: {
    title: "Dashboard",
    activeDevices: "Active devices",
    ofDevices: { one: "of {count} device", other: "of {count} devices" },
    buffered: "Buffered records",
    bufferedNote: "still on the devices, on their way",
    system: "System",
    systemOk: "All parts work",
    systemDegraded: "Degraded: {parts}",
    ok: "OK",
    degraded: "Degraded",
    lastSync: "Last sync",
    never: "never",
    noSync: "No desktop has synchronised yet.",
  },
  de: {
    title: "Übersicht",
    activeDevices: "Aktive Geräte",
    ofDevices: { one: "von {count} Gerät", other: "von {count} Geräten" },
    buffered: "Gepufferte Werte",
    bufferedNote: "noch auf den Geräten, unterwegs",
    system: "System",
    systemOk: "Alle Teile arbeiten",
    systemDegraded: "Eingeschränkt: {parts}",
    ok: "In Ordnung",
    degraded: "Eingeschränkt",
    lastSync: "Letzte Synchronisation",
    never: "nie",
    noSync: "Noch kein Desktop hat synchronisiert.",
  },
});
