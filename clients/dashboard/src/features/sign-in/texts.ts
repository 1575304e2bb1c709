import { defineMessages } from "@/shared/i18n/messages";

export const signInTexts = defineMessages({
  en: {
    product: "PrecisionPulse",
    title: "Sign in",
    claim: "Every reading, live, and never lost.",
    username: "Name",
    password: "Password",
    submit: "Sign in",
    submitting: "Signing in…",
    wrong: "Name or password is wrong.",
    wait: "Too many attempts. Try again in {seconds} s.",
    ended: "Your session ended. Sign in again; you come back to where you were.",
    signedOut: "You are signed out.",
    other: "Sign in with {name}",
    missing: "Needed.",
  },
  de: {
    product: "PrecisionPulse",
    title: "Anmelden",
    claim: "Jeder Messwert, live, und keiner geht verloren.",
    username: "Name",
    password: "Passwort",
    submit: "Anmelden",
    submitting: "Wird angemeldet…",
    wrong: "Name oder Passwort ist falsch.",
    wait: "Zu viele Versuche. Versuchen Sie es in {seconds} s erneut.",
    ended: "Ihre Sitzung ist zu Ende. Melden Sie sich neu an; Sie kommen dorthin zurück, wo Sie waren.",
    signedOut: "Sie sind abgemeldet.",
    other: "Anmelden mit {name}",
    missing: "Wird gebraucht.",
  },
});
