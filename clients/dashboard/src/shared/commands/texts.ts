import { defineMessages } from "../i18n/messages";

/** What a command's states are called. */
export const commandStateTexts = defineMessages({
  en: {
    queued: "Queued",
    published: "Sent",
    received: "Received",
    started: "Running",
    succeeded: "Succeeded",
    failed: "Failed",
    rejected: "Rejected",
    expired: "Expired",
    cancelled: "Cancelled",
    unknown: "Unknown",
    progressOf: "Progress of {name}",
  },
  de: {
    queued: "Wartet",
    published: "Gesandt",
    received: "Empfangen",
    started: "Läuft",
    succeeded: "Gelungen",
    failed: "Fehlgeschlagen",
    rejected: "Abgelehnt",
    expired: "Abgelaufen",
    cancelled: "Abgebrochen",
    unknown: "Ungewiss",
    progressOf: "Fortschritt von {name}",
  },
});
