import { defineMessages } from "@/shared/i18n/messages";

/** What the figure in the navigation says; by itself, because it is there on every screen. */
export const badgeTexts = defineMessages({
  en: {
    badge: { one: "{count} critical alarm that nobody takes care of", other: "{count} critical alarms that nobody takes care of" },
  },
  de: {
    badge: { one: "{count} kritischer Alarm, den niemand übernommen hat", other: "{count} kritische Alarme, die niemand übernommen hat" },
  },
});
