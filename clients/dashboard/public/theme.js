// Before the first paint: the ground has the colour that was chosen. The policy allows no script within the page.
(function () {
  var theme = "system";
  try {
    theme = JSON.parse(localStorage.getItem("pulse.preferences") || "{}").theme || theme;
  } catch (error) {
    // What cannot be read is not a choice.
  }
  if (theme === "system") theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
})();
