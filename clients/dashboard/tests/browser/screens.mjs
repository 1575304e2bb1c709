/** Every screen of the product. A screen that is not here is not looked at: add it when you add a screen. */
export const SCREENS = [
  { name: "dashboard", path: "/" },
  { name: "devices", path: "/devices" },
  { name: "device", path: "/devices/{device}" },
  { name: "commands", path: "/commands" },
  { name: "users", path: "/users" },
  { name: "sync", path: "/sync" },
  { name: "audit", path: "/audit" },
  { name: "profile", path: "/profile" },
];
